#include "daemon/protocols/smtp/delivery.h"

#include <unistd.h>

namespace netd::smtp {

Delivery::~Delivery() {
  if (!tmp_path.empty()) ::unlink(tmp_path.c_str());
}

}  // namespace netd::smtp
