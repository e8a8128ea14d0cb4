#include "daemon/tasks/journal_format.h"

#include <array>
#include <concepts>
#include <cstring>
#include <type_traits>
#include <utility>

#include "daemon/tasks/crc32c.h"

namespace netd::tasks {

namespace {

using Kind = StoreOp::Kind;

constexpr std::string_view kHeaderMagic{"netd task log\r\n\0", 16};
constexpr std::uint32_t kJournalVersion = 1;
constexpr std::string_view kFrameMagicText = "NFRM";
constexpr std::uint32_t kFrameMagic = 0x4d52464e;  // the same as a number
constexpr std::size_t kHeaderSize = 40;
constexpr std::size_t kKeptMemory = 1U << 20U;  // of a FrameBuilder

// Kinds as they are written; never changed, only added to.
constexpr std::array<std::pair<Kind, std::uint8_t>, 8> kKinds{{{Kind::put, 1},
                                                               {Kind::update, 2},
                                                               {Kind::erase, 3},
                                                               {Kind::pause, 4},
                                                               {Kind::resume, 5},
                                                               {Kind::put_result, 6},
                                                               {Kind::erase_results, 7},
                                                               {Kind::probe, 8}}};

template <std::integral T>
void put_number(std::string& to, T value) {
  auto bits = static_cast<std::make_unsigned_t<T>>(value);
  std::array<char, sizeof(T)> bytes{};
  for (char& byte : bytes) {
    byte = static_cast<char>(bits & 0xffU);
    if constexpr (sizeof(T) > 1) bits >>= 8U;
  }
  to.append(bytes.data(), bytes.size());
}

void put_text(std::string& to, std::string_view text) {
  put_number(to, static_cast<std::uint32_t>(text.size()));
  to.append(text);
}

/// Reads fields off the front; once one is missing, `whole` is false and all are empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <std::integral T>
  T number() {
    if (left_.size() < sizeof(T)) return whole_ = false, T{};
    std::make_unsigned_t<T> bits = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) {
      if constexpr (sizeof(T) > 1) bits <<= 8U;
      bits |= static_cast<unsigned char>(left_[i]);
    }
    left_.remove_prefix(sizeof(T));
    return static_cast<T>(bits);
  }
  std::string_view text() {
    const auto size = number<std::uint32_t>();
    if (left_.size() < size) return whole_ = false, std::string_view{};
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }
  [[nodiscard]] bool whole() const { return whole_; }
  [[nodiscard]] std::string_view left() const { return left_; }

 private:
  std::string_view left_;
  bool whole_ = true;
};

std::size_t padded(std::size_t size) {
  return (size + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

void overwrite(std::string& bytes, std::size_t at, const std::string& with) {
  bytes.replace(at, with.size(), with);
}

void encode_record(std::string& to, const Record& record) {
  put_number(to, record.seq);
  put_number(to, record.priority);
  put_number(to, record.attempt);
  put_number(to, record.max_attempts);
  put_number(to, static_cast<std::uint8_t>(record.dead));
  put_number(to, record.created);
  put_number(to, record.ready_at);
  put_number(to, record.expires);
  put_text(to, record.id);
  put_text(to, record.queue);
  put_text(to, record.data);
}

void decode_record(Reader& from, Record& record) {
  record.seq = from.number<std::uint64_t>();
  record.priority = from.number<std::int32_t>();
  record.attempt = from.number<std::uint32_t>();
  record.max_attempts = from.number<std::uint32_t>();
  record.dead = from.number<std::uint8_t>() != 0;
  record.created = from.number<std::int64_t>();
  record.ready_at = from.number<std::int64_t>();
  record.expires = from.number<std::int64_t>();
  record.id = from.text();
  record.queue = from.text();
  record.data = from.text();
}

void encode_op(std::string& to, const StoreOp& op) {
  const Record& record = op.record;
  for (const auto& [kind, number] : kKinds) {
    if (kind == op.kind) put_number(to, number);
  }
  switch (op.kind) {
    case Kind::put:
      return encode_record(to, record);
    case Kind::update:
      put_number(to, record.seq);
      put_number(to, record.attempt);
      put_number(to, static_cast<std::uint8_t>(record.dead));
      put_number(to, record.ready_at);
      return put_number(to, record.expires);
    case Kind::erase:
      return put_number(to, record.seq);
    case Kind::pause:
    case Kind::resume:
      return put_text(to, op.text);
    case Kind::put_result:
      put_number(to, record.expires);
      put_text(to, record.id);
      return put_text(to, op.text);
    case Kind::erase_results:
      return put_number(to, record.expires);
    case Kind::probe:
    case Kind::read:
    case Kind::read_result:
      return;
  }
}

void decode_fields(Reader& from, DecodedOp& op) {
  Record& record = op.record;
  switch (op.kind) {
    case Kind::put:
      return decode_record(from, record);
    case Kind::update:
      record.seq = from.number<std::uint64_t>();
      record.attempt = from.number<std::uint32_t>();
      record.dead = from.number<std::uint8_t>() != 0;
      record.ready_at = from.number<std::int64_t>();
      record.expires = from.number<std::int64_t>();
      return;
    case Kind::erase:
      record.seq = from.number<std::uint64_t>();
      return;
    case Kind::pause:
    case Kind::resume:
      op.text = from.text();
      return;
    case Kind::put_result:
      record.expires = from.number<std::int64_t>();
      record.id = from.text();
      op.text = from.text();
      return;
    case Kind::erase_results:
      record.expires = from.number<std::int64_t>();
      return;
    case Kind::probe:
    case Kind::read:
    case Kind::read_result:
      return;
  }
}

}  // namespace

std::string encode_header(const JournalHeader& header) {
  std::string fields;
  put_number(fields, header.generation);
  put_number(fields, header.size);
  std::string bytes(kHeaderMagic);
  put_number(bytes, kJournalVersion);
  put_number(bytes, crc32c(fields));
  bytes += fields;
  bytes.resize(kFirstFrame, '\0');
  return bytes;
}

std::optional<JournalHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kHeaderSize || !bytes.starts_with(kHeaderMagic)) return std::nullopt;
  Reader reader(bytes.substr(kHeaderMagic.size(), kHeaderSize - kHeaderMagic.size()));
  const auto version = reader.number<std::uint32_t>();
  const auto sum = reader.number<std::uint32_t>();
  if (version != kJournalVersion || sum != crc32c(reader.left())) return std::nullopt;
  const auto generation = reader.number<std::uint64_t>();
  const auto size = reader.number<std::uint64_t>();
  return JournalHeader{.generation = generation, .size = size};
}

bool begins_as_journal(std::string_view bytes) {
  const std::size_t size = std::min(bytes.size(), kHeaderMagic.size());
  for (std::size_t at = 0; at < size; ++at) {
    if (bytes[at] != '\0' && bytes[at] != kHeaderMagic[at]) return false;
  }
  return true;
}

bool is_change(StoreOp::Kind kind) { return kind != Kind::read && kind != Kind::read_result; }

// FrameBuilder

void FrameBuilder::clear() {
  bytes_.resize(kFrameHead);
  if (bytes_.capacity() > kKeptMemory) bytes_.shrink_to_fit();
}

std::size_t FrameBuilder::add(const StoreOp& op) {
  const std::size_t at = bytes_.size();
  encode_op(bytes_, op);
  return at;
}

std::size_t FrameBuilder::size() const { return padded(bytes_.size()); }

std::string_view FrameBuilder::finish(std::uint64_t generation, std::uint64_t number,
                                      std::uint64_t synced) {
  const std::size_t ops_size = bytes_.size() - kFrameHead;
  bytes_.resize(padded(bytes_.size()), '\0');
  std::string head;
  put_number(head, generation);
  put_number(head, number);
  put_number(head, synced);
  put_number(head, static_cast<std::uint32_t>(ops_size));
  put_number(head, std::uint32_t{0});
  overwrite(bytes_, 8, head);
  std::string front;
  put_number(front, kFrameMagic);
  put_number(front, crc32c(std::string_view(bytes_).substr(8, kFrameHead - 8 + ops_size)));
  overwrite(bytes_, 0, front);
  return bytes_;
}

std::optional<Frame> read_frame(std::string_view file, std::size_t at, std::uint64_t generation) {
  if (at > file.size() || file.size() - at < kFrameHead) return std::nullopt;
  Reader head(file.substr(at, kFrameHead));
  if (head.number<std::uint32_t>() != kFrameMagic) return std::nullopt;
  const auto sum = head.number<std::uint32_t>();
  if (head.number<std::uint64_t>() != generation) return std::nullopt;
  Frame frame;
  frame.number = head.number<std::uint64_t>();
  frame.synced = head.number<std::uint64_t>();
  const std::size_t size = head.number<std::uint32_t>();
  if (size > file.size() - at - kFrameHead) return std::nullopt;
  if (sum != crc32c(file.substr(at + 8, kFrameHead - 8 + size))) return std::nullopt;
  frame.at = at;
  frame.size = padded(kFrameHead + size);
  frame.ops = file.substr(at + kFrameHead, size);
  return frame;
}

std::vector<Frame> find_frames(std::string_view file, std::uint64_t generation,
                               std::uint64_t after) {
  std::vector<Frame> found;
  // Most of a file may be zeros, which a search leaves behind quickly.
  for (std::size_t at = kFirstFrame;
       (at = file.find(kFrameMagicText, at)) != std::string_view::npos;) {
    if (at % kFrameAlignment != 0) {
      ++at;
      continue;
    }
    const auto frame = read_frame(file, at, generation);
    at += frame ? frame->size : kFrameAlignment;
    if (frame && frame->number > after) found.push_back(*frame);
  }
  return found;
}

std::optional<DecodedOp> decode_op(std::string_view& ops) {
  Reader reader(ops);
  const auto number = reader.number<std::uint8_t>();
  DecodedOp op;
  bool known = false;
  for (const auto& [kind, written] : kKinds) {
    if (written != number) continue;
    op.kind = kind;
    known = true;
  }
  if (!known) return std::nullopt;
  decode_fields(reader, op);
  if (!reader.whole()) return std::nullopt;
  ops = reader.left();
  return op;
}

}  // namespace netd::tasks
