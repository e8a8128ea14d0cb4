// What the disk gives to deliveries without SMTP: threads that each write a file, fsync it, rename
// it, and fsync the folder. Prints files a second.
//
//   bench_disk_limit FOLDER THREADS SECONDS [nosync]
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kFileSize = 4096;

[[noreturn]] void give_up(const char* doing) {
  std::perror(doing);
  ::_exit(1);
}

class Limit {
 public:
  Limit(std::string folder, bool sync) : folder_(std::move(folder)), sync_(sync) {
    for (const char* part : {"/tmp", "/new"}) {
      if (::mkdir((folder_ + part).c_str(), 0700) != 0) give_up("mkdir");
    }
  }

  double run(int threads, std::chrono::duration<double> time) {
    const auto began = std::chrono::steady_clock::now();
    {
      std::vector<std::jthread> workers;
      workers.reserve(static_cast<std::size_t>(threads));
      for (int i = 0; i < threads; ++i) {
        workers.emplace_back([this] {
          while (!stop_.load(std::memory_order_relaxed)) store();
        });
      }
      std::this_thread::sleep_for(time);
      stop_ = true;
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
    return static_cast<double>(count_.load()) / taken.count();
  }

 private:
  void store() {
    const std::string name = '/' + std::to_string(count_.fetch_add(1));
    const std::string from = folder_ + "/tmp" + name;
    const int file = ::open(from.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0 || ::write(file, text_.data(), text_.size()) < 0) give_up("write");
    if (sync_ && ::fsync(file) != 0) give_up("fsync");
    ::close(file);
    if (::rename(from.c_str(), (folder_ + "/new" + name).c_str()) != 0) give_up("rename");
    if (!sync_) return;
    const int folder = ::open((folder_ + "/new").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || ::fsync(folder) != 0) give_up("fsync of the folder");
    ::close(folder);
  }

  const std::string folder_;
  const bool sync_;
  const std::string text_ = std::string(kFileSize, 'x');
  std::atomic<long> count_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    (void)std::fputs("usage: bench_disk_limit FOLDER THREADS SECONDS [nosync]\n", stderr);
    return 2;
  }
  const bool sync = argc < 5 || std::string_view(argv[4]) != "nosync";
  Limit limit(argv[1], sync);
  std::printf("%.0f\n",
              limit.run(std::atoi(argv[2]), std::chrono::duration<double>(std::atof(argv[3]))));
  return 0;
}
