# SPDX-License-Identifier: BSD-3-Clause
#
# What can be chosen with -D; CMakePresets.json names the combinations in use.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release (-O2 -g) or Debug (-Og -g)" FORCE)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    set(os_default linux)
else()
    set(os_default posix)
endif()
set(KCORO_OS ${os_default} CACHE STRING "Which answer to arch/os.h: linux or posix")
set_property(CACHE KCORO_OS PROPERTY STRINGS linux posix)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    set(KCORO_CPU x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(KCORO_CPU aarch64)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "riscv64")
    set(KCORO_CPU riscv64)
else()
    message(FATAL_ERROR "kcoro has no context switcher for ${CMAKE_SYSTEM_PROCESSOR}.\n"
            "Add arch/<cpu>/switch.S and frame.h, then name them here and in arch/ctx.c.")
endif()

option(KCORO_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(KCORO_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(KCORO_BENCH "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(KCORO_INSTALL "Provide the install target" ${PROJECT_IS_TOP_LEVEL})
option(KCORO_WERROR "Warnings are errors" ${PROJECT_IS_TOP_LEVEL})
option(KCORO_VALGRIND "Tell Valgrind about stacks; tests run under memcheck" OFF)
option(KCORO_COVERAGE "Count executed lines" OFF)
option(KCORO_OPEN "Tests use a shared library that hides nothing, for tools/mutate.py" OFF)
set(KCORO_SANITIZE "" CACHE STRING "Argument of -fsanitize=: address,undefined or thread")
