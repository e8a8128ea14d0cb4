#include "daemon/protocols/capture/capture.h"

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/net/connection.h"
#include "daemon/protocols/capture/capture_file.h"
#include "daemon/protocols/capture/folder.h"

namespace netd {

namespace capture {

namespace {

/// Reading stops while this much waits for the disk, and goes on at the half of it.
constexpr std::size_t kMaxBacklog = std::size_t{1} << 20;

constexpr std::size_t kThreads = 4;
// A file has at most one job waiting.
constexpr std::size_t kMaxWaiting = 65536;

/// What all workers of a listener share.
class Store final : public SharedState {
 public:
  Store(std::shared_ptr<Folder> folder, std::shared_ptr<ThreadPool> pool)
      : folder_(std::move(folder)), pool_(std::move(pool)) {
    if (!pool_) pool_ = std::make_shared<ThreadPool>("netd-capture", kThreads, kMaxWaiting);
  }
  [[nodiscard]] std::string trouble() const override { return folder_->trouble(); }

  [[nodiscard]] const std::shared_ptr<Folder>& folder() const { return folder_; }
  // shared_ptr: goes from one generation of the settings to the next. No job holds it: the last
  // reference would then be dropped in the pool's own thread.
  [[nodiscard]] const std::shared_ptr<ThreadPool>& pool() const { return pool_; }

 private:
  std::shared_ptr<Folder> folder_;
  std::shared_ptr<ThreadPool> pool_;
};

struct CaptureSettings {
  std::string listener;
  // shared_ptr: the workers' protocols of one listener share it.
  std::shared_ptr<Store> store;
  std::uint64_t max_size = 0;
  CaptureFile::Ending when_broken = CaptureFile::Ending::incomplete;
};

class CaptureSession final : public Session {
 public:
  CaptureSession(Connection& connection, const CaptureSettings& settings)
      : Session(connection), settings_(settings) {}

  std::size_t on_data(std::string_view input) override {
    if (!file_) begin();
    size_ += input.size();
    if (size_ > settings_.max_size) {
      refuse("more than max_size allows");
    } else if (!file_->append(input)) {
      refuse("too many writes wait for the disk");
    } else if (file_->progress().backlog >= kMaxBacklog) {
      connection().pause_reading();
    }
    return input.size();
  }

  /// The client learns from the close that its bytes are on the disk.
  void on_end() override {
    if (!file_) {
      connection().close();  // nothing was sent: a port scan leaves no files
      return;
    }
    ended_ = true;
    if (!file_->end(CaptureFile::Ending::complete)) refuse("too many writes wait for the disk");
  }

  void on_timeout(Timeout) override {
    // Waiting for our own disk is no fault of the client's.
    if (file_ && (ended_ || file_->progress().backlog > 0)) return;
    connection().abort();
  }

  void on_shutdown() override {
    if (!file_) connection().close();
  }

  void on_closed() noexcept override {
    if (!file_) return;
    file_->detach();
    if (!refused_ && !file_->end(settings_.when_broken)) log("lost", "too many writes wait");
    file_.reset();
  }

 private:
  void begin() {
    Dispatcher& dispatcher = connection().dispatcher();
    const std::string name =
        file_name(dispatcher.clock().wall(), connection().peer().ip_text(), connection().id());
    file_ = std::make_shared<CaptureFile>(*settings_.store->pool(), settings_.store->folder(), name,
                                          [this, &dispatcher, watch = connection().watch()] {
                                            dispatcher.post([this, watch] {
                                              if (watch.alive() && connection().is_open())
                                                on_progress();
                                            });
                                          });
  }

  void on_progress() {
    const CaptureFile::Progress progress = file_->progress();
    if (progress.error) {
      connection().abort(true);
    } else if (progress.finished) {
      connection().close();
    } else if (progress.backlog <= kMaxBacklog / 2) {
      connection().resume_reading();
    }
  }

  void refuse(std::string_view why) {
    refused_ = true;
    log("refused", why);
    // When even this finds no room the file has no name yet, and goes with the last reference.
    (void)file_->end(CaptureFile::Ending::discarded);
    connection().abort(true);
  }

  void log(std::string_view what, std::string_view why) const {
    LogEntry(LogLevel::info, "capture_refused")
        .listener(settings_.listener)
        .protocol("capture")
        .connection(connection().id())
        .client(connection().peer().text())
        .send("listener " + settings_.listener + ": capture of " + connection().peer().text() +
              " " + std::string(what) + ": " + std::string(why));
  }

  const CaptureSettings& settings_;
  std::shared_ptr<CaptureFile> file_;
  std::uint64_t size_ = 0;
  bool ended_ = false;
  bool refused_ = false;
};

class Capture final : public StreamProtocol {
 public:
  explicit Capture(CaptureSettings settings) : settings_(std::move(settings)) {}
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<CaptureSession>(connection, settings_);
  }

 private:
  CaptureSettings settings_;
};

}  // namespace

}  // namespace capture

namespace {

constexpr std::array<std::string_view, 2> kIncomplete = {"keep", "discard"};
constexpr std::array<config::SettingRow, 3> kRows = {{
    {.key = "directory",
     .kind = config::ValueKind::path,
     .default_value = "/var/lib/netd/captures",
     .help = "the folder that gets a file for each connection; its last part is made if missing"},
    {.key = "max_size",
     .kind = config::ValueKind::size,
     .default_value = "1G",
     .help = "a connection that sends more is reset, and its file discarded",
     .minimum = 1},
    {.key = "incomplete",
     .kind = config::ValueKind::choice,
     .default_value = "keep",
     .help = "what becomes of a file whose connection breaks: keep (as NAME.incomplete) or discard",
     .choices = kIncomplete},
}};

void check(const config::Section& section, std::vector<config::Mistake>& mistakes) {
  const std::string& directory = section.text("directory");
  const auto is_folder = [](const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  };
  struct stat status{};
  const bool exists = ::stat(directory.c_str(), &status) == 0;
  const std::string parent = directory.substr(0, directory.find_last_of('/') + 1);
  if (exists ? S_ISDIR(status.st_mode) : is_folder(parent)) return;
  mistakes.push_back(section.refusal("directory", "a folder, or a name in one"));
}

Result<std::shared_ptr<SharedState>> make_shared_state(
    const config::Settings&, const config::ListenerSettings& listener,
    const std::shared_ptr<SharedState>& previous) {
  const std::string& directory = listener.own.text("directory");
  auto before = std::dynamic_pointer_cast<capture::Store>(previous);
  if (before && before->folder()->path() == directory) return before;
  auto folder = capture::Folder::open(listener.name, directory);
  if (!folder) return std::unexpected(folder.error());
  return std::make_shared<capture::Store>(std::move(*folder), before ? before->pool() : nullptr);
}

Result<std::unique_ptr<StreamProtocol>> make_stream(const ProtocolContext& context) {
  const config::Section& own = context.listener.own;
  return std::make_unique<capture::Capture>(capture::CaptureSettings{
      .listener = context.listener.name,
      .store = std::dynamic_pointer_cast<capture::Store>(context.shared),
      .max_size = own.size("max_size"),
      .when_broken = own.text("incomplete") == "keep" ? capture::CaptureFile::Ending::incomplete
                                                      : capture::CaptureFile::Ending::discarded,
  });
}

}  // namespace

const Protocol kCaptureProtocol = {
    .name = "capture",
    .summary = "writes what each connection sends to a new file",
    .rows = kRows,
    .check = check,
    .make_shared_state = make_shared_state,
    .make_stream = make_stream,
    .make_datagram = nullptr,
};

}  // namespace netd
