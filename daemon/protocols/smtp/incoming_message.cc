#include "daemon/protocols/smtp/incoming_message.h"

#include <utility>

namespace netd::smtp {

namespace {

Reply reply_to(StoreOutcome outcome) {
  switch (outcome) {
    case StoreOutcome::done:
      return reply::kOk;
    case StoreOutcome::disk_full:
      return reply::kDiskFull;
    case StoreOutcome::mailbox_full:
      return reply::kMailboxFull;
    case StoreOutcome::failed:
      break;
  }
  return reply::kStorageFailed;
}

}  // namespace

IncomingMessage::IncomingMessage(Framing framing, const Limits& limits,
                                 std::shared_ptr<Courier> courier, DeliveryClient& client,
                                 std::vector<std::string> mailboxes, std::string file_name)
    : limits_(limits),
      courier_(std::move(courier)),
      client_(client),
      stream_(framing, limits.normalise_newline),
      delivery_(std::make_unique<Delivery>()) {
  delivery_->mailboxes = std::move(mailboxes);
  delivery_->file_name = std::move(file_name);
}

IncomingMessage::~IncomingMessage() { let_go(); }

DataStream::Step IncomingMessage::read(std::string_view input) {
  DataStream::Step all;
  while (!input.empty() && !all.ended) {
    DataStream::Step step;
    if (refused_) {
      step = stream_.skip(input);
    } else {
      if (fill_.size() >= kChunk && !flush()) break;
      step = stream_.feed(input, fill_, kChunk);
      judge();
    }
    input.remove_prefix(step.consumed);
    all.consumed += step.consumed;
    all.ended = step.ended;
  }
  return all;
}

bool IncomingMessage::blocked() const { return !refused_ && fill_.size() >= kChunk && !delivery_; }

void IncomingMessage::judge() {
  if (stream_.size() > limits_.size) {
    refuse(reply::kTooBig);
  } else if (!limits_.normalise_newline && stream_.has_bare_lf()) {
    refuse(reply::kBareLf);
  } else if (!limits_.normalise_newline && stream_.has_bare_cr()) {
    refuse(reply::kBareCr);
  } else if (stream_.longest_line() > limits_.line) {
    refuse(reply::kTextLineTooLong);
  } else if (stream_.received_fields() > kMaxReceived) {
    refuse(reply::kLoop);
  }
}

void IncomingMessage::refuse(const Reply& reason) {
  if (refused_) return;
  refused_ = reason;
  std::string().swap(fill_);
  let_go();
}

bool IncomingMessage::has_room_for(std::uint64_t more) const {
  return stream_.size() <= limits_.size && more <= limits_.size - stream_.size();
}

void IncomingMessage::complete() {
  complete_ = true;
  if (!refused_) {
    stream_.finish(fill_);
    judge();
  }
  if (!refused_ && delivery_) commit();
}

void IncomingMessage::returned(std::unique_ptr<Delivery> delivery) {
  away_ = nullptr;
  delivery_ = std::move(delivery);
  if (delivery_->outcome != StoreOutcome::done) {
    refuse(reply_to(delivery_->outcome));
  } else if (committing_) {
    stored_ = true;
  } else if (complete_) {
    commit();
  }
}

std::optional<Reply> IncomingMessage::verdict() const {
  if (refused_) return refused_;
  if (stored_) return reply::kOk;
  return {};
}

bool IncomingMessage::flush() {
  if (!delivery_) return false;
  send(false);
  return true;
}

void IncomingMessage::commit() {
  committing_ = true;
  send(true);
}

void IncomingMessage::send(bool last) {
  delivery_->chunk.swap(fill_);
  fill_.clear();
  delivery_->last = last;
  delivery_->client = &client_;
  away_ = delivery_.get();
  courier_->send(std::move(delivery_));
}

/// Nothing of the delivery is waited for any more. What it has on disk goes, unless it is committed
/// or just being so: then the client gets it twice rather than never (RFC 5321, section 4.5.4.1).
void IncomingMessage::let_go() {
  if (away_ != nullptr) std::exchange(away_, nullptr)->client = nullptr;
  if (!delivery_) return;
  if (delivery_->has_file()) {
    delivery_->give_up = true;
    courier_->send(std::move(delivery_));
  }
  delivery_.reset();
}

}  // namespace netd::smtp
