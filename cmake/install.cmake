# What `cmake --install` puts where: headers, libraries, the command, and how others find them (CMake and pkg-config).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS evenkeel_shared evenkeel_static
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET evenkeel)
  install(TARGETS evenkeel RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${CMAKE_BINARY_DIR}/evenkeel.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${CMAKE_BINARY_DIR}/evenkeel.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME evenkeel)
endif()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/evenkeel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# The package config is written by hand: the libraries behind the static one have no CMake packages of their own.
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/evenkeel)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/evenkeelConfig.cmake.in ${CMAKE_BINARY_DIR}/evenkeelConfig.cmake
  INSTALL_DESTINATION ${config_dir} PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/evenkeelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/evenkeelConfig.cmake ${CMAKE_BINARY_DIR}/evenkeelConfigVersion.cmake
  DESTINATION ${config_dir})

# The prefix is filled in when it is known, at installation (make install PREFIX=...).
install(CODE "
  set(prefix \"\${CMAKE_INSTALL_PREFIX}\")
  set(libdir \"${CMAKE_INSTALL_LIBDIR}\")
  set(includedir \"${CMAKE_INSTALL_INCLUDEDIR}\")
  set(version \"${PROJECT_VERSION}\")
  configure_file(\"${CMAKE_SOURCE_DIR}/cmake/evenkeel.pc.in\" \"${CMAKE_BINARY_DIR}/evenkeel.pc\" @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/evenkeel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
