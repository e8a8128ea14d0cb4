#include "daemon/base/spare_memory.h"

#include <malloc.h>

namespace netd {

void give_spare_memory_back() {
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

}  // namespace netd
