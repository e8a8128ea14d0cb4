#include "daemon/protocols/smtp/delivery.h"

#include <unistd.h>

#include <utility>

#include "daemon/protocols/smtp/mail_store.h"

namespace netd::smtp {

Delivery::~Delivery() {
  if (!tmp_path.empty()) ::unlink(tmp_path.c_str());
}

void Outbox::put(std::unique_ptr<Delivery> delivery) {
  std::unique_ptr<Delivery> unwanted;  // destroyed without the lock: it may touch the disk
  const std::lock_guard lock(mutex_);
  if (dispatcher_ == nullptr) {
    unwanted = std::move(delivery);
    return;
  }
  returned_.push_back(std::move(delivery));
  if (posted_) return;
  posted_ = true;
  dispatcher_->post([self = shared_from_this()] { self->hand_out(); });
}

void Outbox::close() {
  std::vector<std::unique_ptr<Delivery>> unwanted;
  const std::lock_guard lock(mutex_);
  dispatcher_ = nullptr;
  unwanted.swap(returned_);
}

void Outbox::hand_out() {
  {
    const std::lock_guard lock(mutex_);
    posted_ = false;
    if (dispatcher_ == nullptr) return;
    handing_out_.swap(returned_);
  }
  for (std::unique_ptr<Delivery>& delivery : handing_out_) {
    if (DeliveryClient* client = std::exchange(delivery->client, nullptr); client != nullptr) {
      client->on_delivery_returned(std::move(delivery));
    } else if (delivery->has_file()) {
      delivery->give_up = true;
      store_.submit(std::move(delivery));
    }
  }
  handing_out_.clear();
}

}  // namespace netd::smtp
