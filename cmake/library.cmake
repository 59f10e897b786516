# SPDX-License-Identifier: BSD-3-Clause
#
# The two libraries over one set of objects. Only KC_EXPORT functions leave libkcoro.so; the
# archive keeps the internal ones reachable, which is what the unit tests use.
set(visibility hidden)
set(reachable STATIC)
set(reachable_name kcoro)
if(KCORO_OPEN) # the library can then be exchanged below tests that are linked already
    set(visibility default)
    set(reachable SHARED)
    set(reachable_name kcoro-open)
endif()
set_target_properties(kcoro_objects kcoro_os_linux kcoro_os_posix PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET ${visibility})

set(objects $<TARGET_OBJECTS:kcoro_objects> $<TARGET_OBJECTS:kcoro_os_${KCORO_OS}>)
add_library(kcoro SHARED ${objects})
add_library(kcoro_static ${reachable} ${objects})
add_library(kcoro::kcoro ALIAS kcoro)
add_library(kcoro::kcoro_static ALIAS kcoro_static)

set_target_properties(kcoro PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINKER_LANGUAGE C)
set_target_properties(kcoro_static PROPERTIES OUTPUT_NAME ${reachable_name} LINKER_LANGUAGE C)

foreach(lib kcoro kcoro_static)
    target_include_directories(${lib} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${lib} PUBLIC Threads::Threads)
endforeach()
# -z defs finds what is missing at link time, except under a sanitizer, whose symbols come from
# the program.
target_link_libraries(kcoro PRIVATE $<BUILD_INTERFACE:kcoro_flags>)
if(NOT KCORO_SANITIZE AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(kcoro PRIVATE -Wl,-z,defs)
endif()
