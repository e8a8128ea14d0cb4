// Lets a callback that arrives later find out whether its target still lives.
#pragma once

#include <memory>

namespace netd {

/// A member of the target. Whoever hands out a callback captures watch() and asks alive() first.
/// Ask and destroy on one thread only; the watch itself may travel through others.
class Lifetime {
 public:
  class Watch {
   public:
    explicit Watch(std::weak_ptr<char> token) : token_(std::move(token)) {}
    [[nodiscard]] bool alive() const { return !token_.expired(); }

   private:
    std::weak_ptr<char> token_;
  };

  /// Allocated on first use: most targets are never watched.
  [[nodiscard]] Watch watch() {
    if (!token_) token_ = std::make_shared<char>();
    return Watch(token_);
  }

 private:
  std::shared_ptr<char> token_;  // shared only with watches, which hold it weakly
};

}  // namespace netd
