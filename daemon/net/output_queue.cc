#include "daemon/net/output_queue.h"

#include <algorithm>

namespace netd {

namespace {

// A new segment is begun rather than let one grow by copying itself over and over.
constexpr std::size_t kMaxSegment = std::size_t{64} << 10;

}  // namespace

void OutputQueue::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (!segments_) segments_ = std::make_unique<std::deque<Segment>>();
  memory_ += bytes.size();
  const bool extend = !segments_->empty() && !segments_->back().file &&
                      segments_->back().bytes.size() + bytes.size() <= kMaxSegment;
  if (!extend) segments_->emplace_back();
  Segment& segment = segments_->back();
  segment.bytes += bytes;
  segment.left += bytes.size();
}

void OutputQueue::append_file(SharedFile file, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  if (!segments_) segments_ = std::make_unique<std::deque<Segment>>();
  segments_->push_back({.bytes = {}, .file = std::move(file), .offset = offset, .left = length});
}

IoResult OutputQueue::send_front(Stream& stream) {
  Segment& front = segments_->front();
  if (front.file) {
    if (front.left > kMaxTurn && !front.bulk) {
      front.bulk = true;
      stream.begin_bulk();
    }
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(front.left, kMaxTurn));
    return stream.send_file(front.file->get(), front.offset, step);
  }
  const bool more = segments_->size() > 1;
  const IoResult result = stream.write(std::string_view(front.bytes).substr(front.offset), more);
  front.offset += result.count;
  memory_ -= result.count;
  return result;
}

IoResult OutputQueue::send(Stream& stream) {
  IoResult total;
  while (!empty() && total.count < kMaxTurn) {
    const IoResult result = send_front(stream);
    if (result.outcome != IoResult::Outcome::done) {
      total.outcome = result.outcome;
      total.error = result.error;
      break;
    }
    total.count += result.count;
    Segment& front = segments_->front();
    front.left -= result.count;
    if (front.left == 0) {
      if (front.bulk) stream.end_bulk();
      segments_->pop_front();
    }
    if (segments_->empty()) clear();
  }
  if (!empty() && segments_->front().bulk) stream.push();
  return total;
}

void OutputQueue::clear() {
  segments_.reset();
  memory_ = 0;
}

}  // namespace netd
