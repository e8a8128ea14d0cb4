// Memory that the process holds and does not use.
#pragma once

namespace netd {

/// Gives the system back what malloc(3) keeps of freed blocks, which after a flood of small ones
/// may be all of it. Takes some milliseconds for each 100 MiB. Does nothing where the C library has
/// no such call.
void give_spare_memory_back();

}  // namespace netd
