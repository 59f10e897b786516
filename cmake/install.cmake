# SPDX-License-Identifier: BSD-3-Clause
#
# What `cmake --install` puts down: both libraries, the headers, and the two ways to find them.
# All paths are relative to where the files lie, so an installed tree may be moved.
if(NOT KCORO_INSTALL)
    return()
endif()
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kcoro)
set(generated ${PROJECT_BINARY_DIR}/package)

install(TARGETS kcoro kcoro_static EXPORT kcoroTargets)
install(DIRECTORY include/kcoro TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE TYPE DOC)
if(TARGET kcoro_check)
    install(FILES ${PROJECT_BINARY_DIR}/libkcoro_check.a TYPE LIB)
endif()

install(EXPORT kcoroTargets NAMESPACE kcoro:: DESTINATION ${package_dir})
configure_package_config_file(cmake/kcoroConfig.cmake.in ${generated}/kcoroConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${generated}/kcoroConfigVersion.cmake
    COMPATIBILITY SameMajorVersion)
install(FILES ${generated}/kcoroConfig.cmake ${generated}/kcoroConfigVersion.cmake
    DESTINATION ${package_dir})

file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/kcoro.pc.in ${generated}/kcoro.pc @ONLY)
install(FILES ${generated}/kcoro.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
