// Files of a folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocols/http/conditional.h"
#include "daemon/protocols/http/file_cache.h"
#include "daemon/protocols/http/handler.h"
#include "daemon/protocols/http/range.h"

namespace netd::http {

struct StaticOptions {
  std::string folder;
  std::vector<std::string> index_names;
  bool autoindex = false;
  bool dot_files = false;
  bool precompressed = true;
  std::string fields;  ///< header fields for every file, each with its CRLF
};

class StaticHandler final : public Handler {
 public:
  /// `cache` must outlive the handler.
  StaticHandler(StaticOptions options, FileCache& cache, Dispatcher& dispatcher);

  [[nodiscard]] std::string_view allowed_methods() const override { return "GET, HEAD, OPTIONS"; }
  [[nodiscard]] bool allows(Method method) const override {
    return method == Method::get || method == Method::head;
  }
  [[nodiscard]] Outcome handle(const Exchange& exchange, Response& response,
                               Awaited& awaited) override;

 private:
  [[nodiscard]] bool is_hidden(std::string_view path) const;
  [[nodiscard]] Outcome redirect(const Exchange& exchange, Response& response) const;
  [[nodiscard]] Outcome list(const Exchange& exchange, int folder, Response& response) const;
  [[nodiscard]] Outcome send(const Exchange& exchange, const Found& found, Response& response);
  [[nodiscard]] Outcome send_ranges(const StoredFile& file, Response& response);
  void send_multipart(const StoredFile& file, Response& response);
  [[nodiscard]] const StoredFile& choose(const Request& request, const Found& found);

  SiteRoot root_;
  bool autoindex_;
  bool dot_files_;
  FileCache& cache_;
  Dispatcher& dispatcher_;
  std::vector<ByteRange> ranges_;  // of the request under way; a member for its capacity
  std::string accepted_;           // likewise
  std::uint64_t boundary_;         // the next multipart boundary: unlike anything in a file
};

}  // namespace netd::http
