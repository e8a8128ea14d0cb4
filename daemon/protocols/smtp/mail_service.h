// What all workers of one SMTP listener share.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "daemon/net/tls.h"
#include "daemon/protocols/protocol.h"
#include "daemon/protocols/smtp/client_limits.h"
#include "daemon/protocols/smtp/mail_store.h"
#include "daemon/protocols/smtp/recipients.h"

namespace netd::smtp {

/// Immutable for one generation of the settings; the store and the counts of clients live on
/// through a reload.
class MailService final : public SharedState {
 public:
  MailService(RecipientTable recipients, std::shared_ptr<MailStore> store,
              std::shared_ptr<ClientLimits> limits, std::shared_ptr<const TlsContext> tls)
      : recipients_(std::move(recipients)),
        store_(std::move(store)),
        limits_(std::move(limits)),
        tls_(std::move(tls)) {}

  [[nodiscard]] std::string trouble() const override;

  [[nodiscard]] const RecipientTable& recipients() const { return recipients_; }
  [[nodiscard]] const std::shared_ptr<MailStore>& store() const { return store_; }
  /// Null when nothing is limited.
  [[nodiscard]] const std::shared_ptr<ClientLimits>& limits() const { return limits_; }
  /// Null when TLS is not offered. Read from its files anew by each reload.
  [[nodiscard]] const TlsContext* tls() const { return tls_.get(); }

 private:
  const RecipientTable recipients_;
  const std::shared_ptr<MailStore> store_;      // shared with other generations of the listener
  const std::shared_ptr<ClientLimits> limits_;  // the same
  const std::shared_ptr<const TlsContext> tls_;
};

[[nodiscard]] Result<std::shared_ptr<SharedState>> make_mail_service(
    const config::Settings& settings, const config::ListenerSettings& listener,
    const std::shared_ptr<SharedState>& previous);

}  // namespace netd::smtp
