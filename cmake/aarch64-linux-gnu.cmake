# Cross-compiles for 64-bit Arm (little endian, GNU/Linux) with Debian's gcc-aarch64-linux-gnu:
#
#   cmake -S . -B build-aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake [-DCONVOY_SYSROOT=DIR]
#
# DIR holds an arm64 system's lib and usr, with the libraries' development files (tests/cross makes one of Debian's
# packages). Without it they are looked for where Debian's multi-architecture packages (libyaml-dev:arm64 ...) put them.
# Where qemu-aarch64 is installed, ctest runs the C tests by it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
endif()
set(CONVOY_SYSROOT "" CACHE PATH "an arm64 system's lib and usr; empty: this system's own arm64 packages")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CONVOY_SYSROOT)

if(CONVOY_SYSROOT)
  set(CMAKE_SYSROOT ${CONVOY_SYSROOT})
  set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CONVOY_SYSROOT})
endif()
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_LIBDIR}
    "${CONVOY_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CONVOY_SYSROOT}/usr/share/pkgconfig")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
if(CONVOY_SYSROOT) # never a library or header of the building machine
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
endif()

find_program(CONVOY_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(CONVOY_QEMU)
  # Without a sysroot: where Debian's cross compiler keeps the C library.
  if(CONVOY_SYSROOT)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${CONVOY_QEMU} -L ${CONVOY_SYSROOT})
  else()
    set(CMAKE_CROSSCOMPILING_EMULATOR ${CONVOY_QEMU} -L /usr/aarch64-linux-gnu)
  endif()
endif()
