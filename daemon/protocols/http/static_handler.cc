#include "daemon/protocols/http/static_handler.h"

#include <algorithm>
#include <random>
#include <utility>

#include "daemon/protocols/http/autoindex.h"
#include "daemon/protocols/http/fields.h"
#include "daemon/protocols/http/url.h"

namespace netd::http {

namespace {

void add_part(const StoredFile& file, const ByteRange& range, Response& response) {
  if (file.file) {
    response.add_file(file.file, range.first, range.length());
  } else {
    response.add_bytes(std::string_view(file.content)
                           .substr(static_cast<std::size_t>(range.first),
                                   static_cast<std::size_t>(range.length())));
  }
}

std::string content_range(const ByteRange& range, std::uint64_t size) {
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.last) + "/" +
         std::to_string(size);
}

}  // namespace

StaticHandler::StaticHandler(StaticOptions options, FileCache& cache, Dispatcher& dispatcher)
    : autoindex_(options.autoindex),
      dot_files_(options.dot_files),
      cache_(cache),
      dispatcher_(dispatcher) {
  root_.path = std::move(options.folder);
  root_.index_names = std::move(options.index_names);
  root_.precompressed = options.precompressed;
  root_.fields = std::move(options.fields);
  std::random_device random;
  boundary_ = std::uint64_t{random()} << 32U | random();
}

Handler::Outcome StaticHandler::handle(const Exchange& exchange, Response& response, Awaited&) {
  if (exchange.path.empty()) return redirect(exchange, response);
  std::string_view path = exchange.path;
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  if (exchange.target.has_encoded_slash || is_hidden(path)) {
    response.status = 404;
    return Outcome::failed;
  }
  const Found found = cache_.find(root_, path, dispatcher_.now(), exchange.now);
  switch (found.kind) {
    case Found::Kind::file:
      return send(exchange, found, response);
    case Found::Kind::needs_slash:
      return redirect(exchange, response);
    case Found::Kind::folder:
      if (autoindex_) return list(exchange, found.folder.get(), response);
      response.status = 403;
      return Outcome::failed;
    case Found::Kind::forbidden:
      response.status = 403;
      return Outcome::failed;
    case Found::Kind::no_descriptors:
      response.status = 503;
      return Outcome::failed;
    case Found::Kind::absent:
      break;
  }
  response.status = 404;
  return Outcome::failed;
}

// Any segment that begins with a dot, but for the one that is meant for everybody (RFC 8615).
bool StaticHandler::is_hidden(std::string_view path) const {
  if (dot_files_) return false;
  if (path.starts_with(".well-known/")) path.remove_prefix(1);
  return path.starts_with('.') || path.find("/.") != std::string_view::npos;
}

Handler::Outcome StaticHandler::redirect(const Exchange& exchange, Response& response) const {
  std::string_view path = exchange.target.path;
  // "//host/" would be another host's.
  while (path.starts_with("//")) path.remove_prefix(1);
  std::string location;
  append_url_path(location, path);
  location += '/';
  if (exchange.target.has_query) {
    location += '?';
    append_url_query(location, exchange.target.query);
  }
  response.status = 301;
  response.field("Location", location);
  return Outcome::failed;
}

Handler::Outcome StaticHandler::list(const Exchange& exchange, int folder,
                                     Response& response) const {
  const FolderListing listing = list_folder(folder, dot_files_);
  response.field("Vary", "Accept");
  response.fields += root_.fields;
  if (prefers_json(exchange.request)) {
    response.set_text("application/json", listing_json(listing));
  } else {
    response.set_text("text/html; charset=utf-8", listing_html(listing, exchange.target.path));
  }
  return Outcome::answered;
}

const StoredFile& StaticHandler::choose(const Request& request, const Found& found) {
  const StoredFile* best = found.files[0];
  const bool varies =
      found.files[1] != nullptr || found.files[2] != nullptr || found.files[3] != nullptr;
  if (!varies || !request.has(Name::accept_encoding)) return *best;
  accepted_.clear();
  request.each(Name::accept_encoding, [this](std::string_view value) {
    accepted_.append(value).push_back(',');
    return true;
  });
  unsigned best_quality = encoding_quality(accepted_, "identity");
  for (std::size_t i = 1; i < kCodingCount; ++i) {
    if (found.files[i] == nullptr) continue;
    const unsigned quality = encoding_quality(accepted_, coding_name(static_cast<Coding>(i)));
    // Between equals the smaller file, and any coding before none.
    const bool better =
        quality > best_quality || (quality == best_quality && found.files[i]->size < best->size);
    if (quality == 0 || !better) continue;
    best = found.files[i];
    best_quality = quality;
  }
  return *best;
}

Handler::Outcome StaticHandler::send(const Exchange& exchange, const Found& found,
                                     Response& response) {
  const Request& request = exchange.request;
  const StoredFile& file = choose(request, found);
  const Validators validators{.entity_tag = file.entity_tag, .last_modified = file.last_modified};
  switch (evaluate_preconditions(request, validators, exchange.now)) {
    case Precondition::proceed:
      break;
    case Precondition::not_modified:
      response.status = 304;
      response.prepared = std::string_view(file.fields).substr(file.type_size);
      return Outcome::answered;
    case Precondition::failed:
      response.status = 412;
      return Outcome::failed;
  }
  // RFC 9110, section 14.2: Range means something with GET only.
  if (request.method == Method::get && request.count(Name::range) == 1 &&
      if_range_holds(request, validators, exchange.now)) {
    switch (parse_range(request.value(Name::range), file.size, ranges_)) {
      case RangeOutcome::satisfiable:
        return send_ranges(file, response);
      case RangeOutcome::unsatisfiable:
        response.status = 416;
        response.field("Content-Range", "bytes */" + std::to_string(file.size));
        return Outcome::failed;
      case RangeOutcome::ignored:
        break;
    }
  }
  response.prepared = file.fields;
  if (file.size > 0) add_part(file, {.first = 0, .last = file.size - 1}, response);
  return Outcome::answered;
}

Handler::Outcome StaticHandler::send_ranges(const StoredFile& file, Response& response) {
  response.status = 206;
  if (ranges_.size() == 1) {
    response.prepared = file.fields;
    response.field("Content-Range", content_range(ranges_[0], file.size));
    add_part(file, ranges_[0], response);
  } else {
    send_multipart(file, response);
  }
  return Outcome::answered;
}

// RFC 9110, section 14.6.
void StaticHandler::send_multipart(const StoredFile& file, Response& response) {
  boundary_ = boundary_ * 6364136223846793005U + 1442695040888963407U;
  const std::string boundary = "netd-" + std::to_string(boundary_);
  // Views into `text` are taken only when it is complete.
  std::vector<std::size_t> ends;
  for (const ByteRange& range : ranges_) {
    response.text.append(ends.empty() ? "--" : "\r\n--").append(boundary);
    // A part is of the file as it is stored, coded or not; the answer as a whole is not coded.
    response.text.append("\r\n").append(file.fields, 0, file.type_size);
    response.text.append("Content-Range: ").append(content_range(range, file.size));
    response.text.append("\r\n\r\n");
    ends.push_back(response.text.size());
  }
  response.text.append("\r\n--").append(boundary).append("--\r\n");
  const std::string_view text = response.text;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < ranges_.size(); begin = ends[i++]) {
    response.add_bytes(text.substr(begin, ends[i] - begin));
    add_part(file, ranges_[i], response);
  }
  response.add_bytes(text.substr(begin));
  response.prepared = std::string_view(file.fields).substr(file.type_size);
  response.field("Content-Type", "multipart/byteranges; boundary=" + boundary);
}

}  // namespace netd::http
