#include "daemon/protocols/smtp/courier.h"

#include <utility>

#include "daemon/protocols/smtp/mail_store.h"

namespace netd::smtp {

void Courier::send(std::unique_ptr<Delivery> delivery) {
  if (dispatcher_ == nullptr) return;
  delivery->courier = shared_from_this();
  sent_.push_back(std::move(delivery));
  if (sent_.size() > 1) return;
  dispatcher_->post([self = shared_from_this()] { self->hand_in(); });
}

void Courier::hand_in() {
  if (!sent_.empty()) store_.submit(sent_);
  sent_.clear();
}

void Courier::bring_back(std::span<std::unique_ptr<Delivery>> deliveries) {
  std::vector<std::unique_ptr<Delivery>>
      unwanted;  // destroyed without the lock: may touch the disk
  const std::lock_guard lock(mutex_);
  const bool wake = returned_.empty();
  for (std::unique_ptr<Delivery>& delivery : deliveries) {
    if (!delivery || delivery->courier.get() != this) continue;
    (dispatcher_ == nullptr ? unwanted : returned_).push_back(std::move(delivery));
  }
  if (!wake || returned_.empty()) return;
  dispatcher_->post([self = shared_from_this()] { self->hand_out(); });
}

void Courier::close() {
  if (!sent_.empty()) store_.submit(sent_);
  sent_.clear();
  std::vector<std::unique_ptr<Delivery>> unwanted;
  const std::lock_guard lock(mutex_);
  dispatcher_ = nullptr;
  unwanted.swap(returned_);
}

void Courier::hand_out() {
  {
    const std::lock_guard lock(mutex_);
    if (dispatcher_ == nullptr) return;
    handing_out_.swap(returned_);
  }
  for (std::unique_ptr<Delivery>& delivery : handing_out_) {
    if (DeliveryClient* client = std::exchange(delivery->client, nullptr); client != nullptr) {
      client->on_delivery_returned(std::move(delivery));
    } else if (delivery->has_file()) {
      delivery->give_up = true;
      send(std::move(delivery));
    }
  }
  handing_out_.clear();
}

}  // namespace netd::smtp
