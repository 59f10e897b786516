# SPDX-License-Identifier: BSD-3-Clause
#
# kcoro_flags: how our own code is compiled, tests and benchmarks included. Never exported.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g")
set(CMAKE_ASM_FLAGS_RELEASE "-g")
set(CMAKE_ASM_FLAGS_DEBUG "-g")
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(kcoro_flags INTERFACE)
target_include_directories(kcoro_flags INTERFACE
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(kcoro_flags INTERFACE _POSIX_C_SOURCE=200809L)
target_compile_options(kcoro_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wstrict-prototypes -Wmissing-prototypes>
    $<$<AND:$<COMPILE_LANGUAGE:C>,$<BOOL:${KCORO_WERROR}>>:-Werror>)
target_link_libraries(kcoro_flags INTERFACE Threads::Threads)

if(KCORO_SANITIZE)
    target_compile_options(kcoro_flags INTERFACE
        -fsanitize=${KCORO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(kcoro_flags INTERFACE -fsanitize=${KCORO_SANITIZE})
endif()
if(KCORO_COVERAGE)
    target_compile_options(kcoro_flags INTERFACE --coverage)
    target_link_options(kcoro_flags INTERFACE --coverage)
endif()
if(KCORO_VALGRIND)
    include(CheckIncludeFile)
    check_include_file(valgrind/valgrind.h KCORO_HAVE_VALGRIND_H)
    if(NOT KCORO_HAVE_VALGRIND_H)
        message(FATAL_ERROR "KCORO_VALGRIND needs <valgrind/valgrind.h>: install valgrind")
    endif()
    target_compile_definitions(kcoro_flags INTERFACE KCI_VALGRIND)
endif()
