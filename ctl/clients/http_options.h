// What `http` and `call` have in common: a request, and what is shown of its answer.
#pragma once

#include "ctl/clients/http_request.h"

namespace netd::ctl {

struct HttpOptions {
  std::optional<std::string> method;
  std::vector<std::string> headers;
  std::optional<std::string> data;
  std::string output;
  bool include = false;
  bool follow = false;
};

/// Everything of the request but its URL. Fails when a header or file is not usable.
[[nodiscard]] Result<HttpRequest> make_request(const HttpOptions& options, const Context& context);

/// Asks, and writes the body to standard output or the file as it comes. `progressed` as
/// http_ask().
[[nodiscard]] ClientResult<HttpAnswer> ask_and_show(const HttpRequest& request,
                                                    const HttpOptions& options,
                                                    const Context& context, Progressed* progressed);

/// After the body: what there is to say about the answer. kFailed for a status from 400.
[[nodiscard]] int conclude(const HttpAnswer& answer, const HttpOptions& options,
                           const Context& context);

}  // namespace netd::ctl
