#include "launch.h"
void open_host_files(void) {}
void mount_host_files(void) {}
