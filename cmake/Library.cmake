# libsandstone.a: every room but the command line, for programs that embed Sandstone, and what it takes to install it.
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY SANDSTONE_ROOMS)
add_library(libsandstone STATIC)
set_target_properties(libsandstone PROPERTIES OUTPUT_NAME sandstone EXPORT_NAME sandstone)
foreach(room IN LISTS rooms)
  target_sources(libsandstone PRIVATE $<TARGET_OBJECTS:${room}>)
endforeach()
target_link_libraries(libsandstone PUBLIC Threads::Threads PRIVATE $<BUILD_INTERFACE:sandstone_options>)
target_compile_features(libsandstone PUBLIC cxx_std_20)
target_include_directories(libsandstone PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
if(SANDSTONE_SANITIZE)
  target_link_options(libsandstone PUBLIC -fsanitize=${SANDSTONE_SANITIZE})
endif()
add_library(sandstone::sandstone ALIAS libsandstone)

install(TARGETS libsandstone EXPORT sandstone ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sandstone DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT sandstone NAMESPACE sandstone:: FILE sandstone-targets.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sandstone)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sandstone-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/sandstone-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sandstone)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/sandstone-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sandstone-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/sandstone-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sandstone)
