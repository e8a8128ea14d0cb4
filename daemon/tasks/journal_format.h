// The bytes of a journal file: a header, then frames. All numbers are little-endian.
//
//   header    16 bytes "netd task log\r\n\0", u32 version, u32 CRC-32C of what follows,
//             u64 generation, u64 size of the file; zeros up to kFirstFrame
//   frame     u32 magic, u32 CRC-32C of all that follows, u64 generation, u64 number, u64 synced,
//             u32 size of the operations, u32 zero, the operations; the next frame begins at the
//             next multiple of 8
//   operation u8 kind, and its fields in the order of encode_op()
//
// A frame is one commit. Frames of one generation are numbered from 1 without a gap, through both
// files of a journal; a file that is used again is overwritten from its beginning, and what is left
// behind in it of its last use has lower numbers than what was applied. `synced` is the number up
// to which all frames were on the disk before this one was written: it tells damage from what was
// never promised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/tasks/record.h"

namespace netd::tasks {

inline constexpr std::size_t kFirstFrame = 4096;
inline constexpr std::size_t kFrameHead = 40;
inline constexpr std::size_t kFrameAlignment = 8;

struct JournalHeader {
  std::uint64_t generation = 0;  // 0: a journal that was ended; all is in the database
  std::uint64_t size = 0;        // of the file
};
/// kFirstFrame bytes.
[[nodiscard]] std::string encode_header(const JournalHeader& header);
/// Nothing where the bytes are no whole header of this version.
[[nodiscard]] std::optional<JournalHeader> decode_header(std::string_view bytes);

/// Whether a file that begins so is a journal, perhaps one whose header was not written to its end:
/// there are zeros in the place of what is missing.
[[nodiscard]] bool begins_as_journal(std::string_view bytes);

/// Whether an operation changes the store; the others are not written down.
[[nodiscard]] bool is_change(StoreOp::Kind kind);

/// One frame in the making. Keeps its memory for the next.
class FrameBuilder {
 public:
  void clear();
  /// Of an operation that is_change(). Returns where it begins, counted from the frame's first
  /// byte.
  std::size_t add(const StoreOp& op);
  [[nodiscard]] bool empty() const { return bytes_.size() == kFrameHead; }
  [[nodiscard]] std::size_t end() const { return bytes_.size(); }  // of the last operation
  [[nodiscard]] std::size_t size() const;  // of the frame, with what it is padded with
  /// The whole frame; lives until the next call.
  [[nodiscard]] std::string_view finish(std::uint64_t generation, std::uint64_t number,
                                        std::uint64_t synced);

 private:
  std::string bytes_ = std::string(kFrameHead, '\0');
};

struct Frame {
  std::uint64_t number = 0;
  std::uint64_t synced = 0;
  std::size_t at = 0;    // of its first byte in the file
  std::size_t size = 0;  // with what it is padded with
  std::string_view ops;
};
/// The frame of that generation that begins at `at`, if there is one and it is whole.
[[nodiscard]] std::optional<Frame> read_frame(std::string_view file, std::size_t at,
                                              std::uint64_t generation);
/// Every whole frame of that generation with a number above `after`, wherever it lies, in the order
/// of the file.
[[nodiscard]] std::vector<Frame> find_frames(std::string_view file, std::uint64_t generation,
                                             std::uint64_t after);

/// Takes the first operation off `ops`. Its record and text show what `ops` shows; `text` is its
/// StoreOp::text. Nothing where it is none: a frame that is whole and was written by something
/// else.
struct DecodedOp {
  StoreOp::Kind kind = StoreOp::Kind::probe;
  Record record{};
  std::string_view text;
};
[[nodiscard]] std::optional<DecodedOp> decode_op(std::string_view& ops);

}  // namespace netd::tasks
