#include "daemon/config/loader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/config/addresses.h"
#include "daemon/config/ini_file.h"
#include "daemon/config/mistakes.h"
#include "daemon/config/paths.h"
#include "daemon/config/rows.h"
#include "daemon/config/section_builder.h"
#include "daemon/config/sources.h"
#include "daemon/config/typed.h"
#include "daemon/config/value.h"

namespace netd::config {

namespace {

constexpr std::string_view kSections =
    "[netd], [control], [tasks], [listener NAME] or [service NAME]";

// Names stand in the journal, in metrics and in file descriptors' names.
constexpr std::size_t kMaxLabel = 40;

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > kMaxLabel) return false;
  if (!is_ascii_alpha(text.front()) && !is_ascii_digit(text.front())) return false;
  return std::ranges::all_of(text, [](char c) {
    return is_ascii_alpha(c) || is_ascii_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

bool takes_label(std::string_view name) { return name == "listener" || name == "service"; }

/// One load: raw sections in, Settings or mistakes out.
class Load {
 public:
  Load(std::span<const ProtocolSchema> protocols, const Environment& environment,
       MistakeList& mistakes)
      : protocols_(protocols), environment_(environment), mistakes_(mistakes) {}

  std::shared_ptr<Settings> run(std::vector<RawSection> raw, const std::string& main_file) {
    main_file_ = main_file;
    for (RawSection& section : raw) classify(std::move(section));
    services_ = service_names();
    auto settings = std::make_shared<Settings>();
    settings->netd = make_netd(netd_section(), environment_);
    Section control = control_section();
    settings->tasks = make_tasks(tasks_section());
    std::vector<Section> listeners;
    listeners.reserve(raw_listeners_.size());
    for (const RawSection& section : raw_listeners_) listeners.push_back(listener(section));
    check_addresses(control, listeners, mistakes_);
    settings->control = make_control(std::move(control));
    for (Section& section : listeners) {
      settings->listeners.push_back(make_listener(std::move(section)));
    }
    for (const RawSection& section : raw_services_) {
      settings->services.push_back(make_service(service(section)));
    }
    return settings;
  }

 private:
  void classify(RawSection section) {
    if (section.name == "netd" || section.name == "control" || section.name == "tasks") {
      if (!section.label.empty()) {
        refuse(section, "expected [" + section.name + "]: this section has no name of its own");
      }
      singles_[section.name].push_back(std::move(section));
    } else if (takes_label(section.name)) {
      classify_named(std::move(section));
    } else {
      refuse_unknown(section);
    }
  }

  void classify_named(RawSection section) {
    if (!is_label(section.label)) {
      refuse(section,
             found(section.label) + ", expected a name of at most " + std::to_string(kMaxLabel) +
                 " letters, digits, dots, dashes and underscores: [" + section.name + " NAME]");
    } else {
      const auto [first, added] = places_.try_emplace(
          {section.name, section.label}, section.file + ":" + std::to_string(section.line));
      if (!added) {
        refuse(section, "found a second time, expected another name: it is defined at " +
                            first->second + " already");
      }
    }
    auto& list = section.name == "listener" ? raw_listeners_ : raw_services_;
    list.push_back(std::move(section));
  }

  void refuse_unknown(const RawSection& section) {
    const std::string_view meant =
        nearest(section.name, {"netd", "control", "tasks", "listener", "service"});
    const std::string hint = meant.empty() ? "expected " + std::string(kSections)
                             : takes_label(meant)
                                 ? "did you mean [" + std::string(meant) + " NAME]?"
                                 : "did you mean [" + std::string(meant) + "]?";
    refuse(section, "unknown section, " + hint);
  }

  void refuse(const RawSection& section, const std::string& message) {
    mistakes_.add(section.file, section.line, title(section) + ": " + message);
  }

  [[nodiscard]] ServiceNames service_names() const {
    auto names = std::make_shared<std::vector<std::string>>();
    names->reserve(raw_services_.size());
    for (const RawSection& section : raw_services_) names->push_back(section.label);
    return names;
  }

  Section single(const std::string& name, std::span<const SettingRow> rows) {
    const auto& parts = singles_[name];
    SectionBuilder builder(name, "", parts.empty() ? main_file_ : parts.front().file,
                           parts.empty() ? 0 : parts.front().line, rows);
    for (const RawSection& part : parts) {
      builder.add(part, environment_.variable, false, mistakes_);
    }
    return builder.finish(services_, mistakes_);
  }

  Section netd_section() {
    Section section = single("netd", netd_rows());
    const SettingRow& row = *std::ranges::find(netd_rows(), "hostname", &SettingRow::key);
    std::string hostname = environment_.hostname();
    if (!check_value(row, hostname)) hostname = "localhost";
    SectionBuilder::set_default(section, "hostname", std::move(hostname));
    return section;
  }

  Section control_section() {
    Section section = single("control", control_rows());
    const std::string& socket = section.text("socket");
    const std::string folder = socket.substr(0, socket.find_last_of('/') + 1);
    SectionBuilder::set_default(section, "fifo", folder + "control.fifo");
    SectionBuilder::set_default(section, "reply_fifo", folder + "reply.fifo");
    check_control(section);
    return section;
  }

  void check_control(const Section& section) {
    const auto socket = check_socket_place(section.text("socket"));
    check(section, "socket", socket);
    std::vector<std::string> taken = {section.text("socket")};
    for (const char* const key : {"fifo", "reply_fifo"}) {
      const std::string& path = section.text(key);
      if (path == "off") continue;
      if (std::ranges::find(taken, path) != taken.end()) {
        mistakes_.add(section.refusal(key, "a path of its own"));
      }
      taken.push_back(path);
      // Without the folder of the socket there is nothing to say about its neighbours.
      if (socket || section.has(key)) check(section, key, check_fifo_place(path));
    }
    if (section.has("group") && section.text("group") != default_group() &&
        !environment_.group_exists(section.text("group"))) {
      mistakes_.add(section.refusal("group", "a group of this system"));
    }
  }

  /// It may be missing: netd then runs from a build tree, not from its package.
  static std::string_view default_group() {
    return std::ranges::find(control_rows(), "group", &SettingRow::key)->default_value;
  }

  Section tasks_section() {
    Section section = single("tasks", task_rows());
    check(section, "path", check_folder_place(section.text("path")));
    return section;
  }

  void check(const Section& section, std::string_view key, const Result<void>& result) {
    if (result) return;
    mistakes_.add(section.mistake(key, found(section.text(key)) + ", " + result.error().what()));
  }

  Section listener(const RawSection& raw) {
    const ProtocolSchema* const protocol = protocol_of(raw);
    SectionBuilder builder(raw.name, raw.label, raw.file, raw.line, listener_rows(),
                           protocol == nullptr ? std::span<const SettingRow>{} : protocol->rows);
    builder.expect("protocol", protocol_names());
    builder.add(raw, environment_.variable, protocol == nullptr, mistakes_);
    Section section = builder.finish(services_, mistakes_);
    if (section.has("protocol") && protocol == nullptr) {
      mistakes_.add(section.refusal("protocol", protocol_names()));
    }
    check_listener_paths(section);
    if (protocol == nullptr) return section;
    check_transports(section, *protocol);
    if (protocol->check != nullptr && builder.complete()) {
      std::vector<Mistake> found_by_protocol;
      protocol->check(section, found_by_protocol);
      for (Mistake& mistake : found_by_protocol) mistakes_.add(std::move(mistake));
    }
    return section;
  }

  /// Known before the section is built, because the rows depend on it; null when it cannot be told.
  const ProtocolSchema* protocol_of(const RawSection& raw) const {
    const auto value = std::ranges::find(raw.values, "protocol", &RawValue::key);
    if (value == raw.values.end()) return nullptr;
    const auto name = expand(value->text, environment_.variable);
    if (!name) return nullptr;
    const auto protocol = std::ranges::find(protocols_, *name, &ProtocolSchema::name);
    return protocol == protocols_.end() ? nullptr : &*protocol;
  }

  [[nodiscard]] std::string protocol_names() const {
    std::vector<std::string_view> names;
    names.reserve(protocols_.size());
    for (const ProtocolSchema& protocol : protocols_) names.push_back(protocol.name);
    return join_or(names);
  }

  void check_listener_paths(const Section& section) {
    for (const Value& value : section.list("listen")) {
      const auto endpoint = Endpoint::parse(value.text);
      if (!endpoint || endpoint->transport != Transport::unix_stream) continue;
      if (const auto place = check_socket_place(endpoint->name); !place) {
        mistakes_.add(
            section.mistake("listen", value, found(value.text) + ", " + place.error().what()));
      }
    }
    const std::string& log = section.text("access_log");
    if (log.starts_with('/')) check(section, "access_log", check_file_place(log));
  }

  void check_transports(const Section& section, const ProtocolSchema& protocol) {
    for (const Value& value : section.list("listen")) {
      const bool udp = value.text.starts_with("udp:");
      if (udp ? protocol.datagram : protocol.stream) continue;
      if (!udp && protocol.datagram && value.text.starts_with("fd:")) continue;
      const std::string name(protocol.name);
      mistakes_.add(
          section.refusal("listen", value,
                          udp ? "tcp:, unix: or fd:, because " + name + " does not run over UDP"
                              : "udp: or fd:, because " + name + " runs over UDP only"));
    }
  }

  Section service(const RawSection& raw) {
    SectionBuilder builder(raw.name, raw.label, raw.file, raw.line, service_rows());
    builder.add(raw, environment_.variable, false, mistakes_);
    return builder.finish(services_, mistakes_);
  }

  std::span<const ProtocolSchema> protocols_;
  const Environment& environment_;
  MistakeList& mistakes_;
  std::string main_file_;
  std::map<std::string, std::vector<RawSection>, std::less<>> singles_;
  std::vector<RawSection> raw_listeners_;
  std::vector<RawSection> raw_services_;
  std::map<std::pair<std::string, std::string>, std::string> places_;  // of named sections
  ServiceNames services_;
};

LoadResult load_all(std::span<const SourceFile> sources, std::span<const ProtocolSchema> protocols,
                    const Environment& environment, MistakeList mistakes) {
  std::vector<RawSection> sections;
  std::vector<std::string> files;
  for (const SourceFile& source : sources) {
    files.push_back(source.name);
    parse_ini(source, sections, mistakes);
  }
  const std::string main_file = files.empty() ? "" : files.front();
  auto settings = Load(protocols, environment, mistakes).run(std::move(sections), main_file);
  if (!mistakes.empty()) return std::unexpected(std::move(mistakes).sorted(files));
  settings->files = std::move(files);
  return settings;
}

}  // namespace

LoadResult load_sources(std::span<const SourceFile> sources,
                        std::span<const ProtocolSchema> protocols, const Environment& environment) {
  return load_all(sources, protocols, environment, {});
}

LoadResult load(const std::string& path, std::span<const ProtocolSchema> protocols,
                const Environment& environment) {
  MistakeList mistakes;
  const std::vector<SourceFile> sources = read_sources(path, mistakes);
  return load_all(sources, protocols, environment, std::move(mistakes));
}

}  // namespace netd::config
