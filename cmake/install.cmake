# What `cmake --install` and `cpack` make of a build tree, and where it goes. Everything finds everything else relative
# to itself, so an installation may be moved as a whole.
include(CMakePackageConfigHelpers)

install(TARGETS convoy LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS convoy_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY core/include/convoy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY experiments/architectures DESTINATION ${CMAKE_INSTALL_DATADIR}/convoy FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY experiments DESTINATION ${CMAKE_INSTALL_DATADIR}/convoy
        FILES_MATCHING PATTERN "*.yaml" PATTERN architectures EXCLUDE)
install(FILES man/convoy.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES tests/api/example.c tests/api/example.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples) # of docs/library.md
if(EXISTS ${CMAKE_SOURCE_DIR}/LICENSE)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
else()
  install(FILES cmake/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

# ---- completions: the executable knows its own commands ----
set(completions ${CMAKE_BINARY_DIR}/completions)
set(completion_files)
foreach(shell bash zsh fish)
  add_custom_command(
    OUTPUT ${completions}/${shell}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${completions}
    COMMAND convoy_cli completion ${shell} > ${completions}/${shell}
    DEPENDS convoy_cli convoy VERBATIM)
  list(APPEND completion_files ${completions}/${shell})
endforeach()
add_custom_target(completions ALL DEPENDS ${completion_files})
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(zsh_folder ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions) # a distribution's place for what packages bring
else()
  set(zsh_folder ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
install(FILES ${completions}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME convoy)
install(FILES ${completions}/zsh DESTINATION ${zsh_folder} RENAME _convoy)
install(FILES ${completions}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME convoy.fish)

# ---- for those who build plugins, or programs around the library ----
set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Convoy)
set(library_file ${CMAKE_INSTALL_LIBDIR}/libconvoy.so)
set(executable_file ${CMAKE_INSTALL_BINDIR}/convoy)
configure_package_config_file(
  cmake/ConvoyConfig.cmake.in ${CMAKE_BINARY_DIR}/ConvoyConfig.cmake INSTALL_DESTINATION ${config_folder}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CONVOY_PLUGIN_DIR library_file executable_file)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ConvoyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ConvoyConfig.cmake ${CMAKE_BINARY_DIR}/ConvoyConfigVersion.cmake
        DESTINATION ${config_folder})

set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH up_to_prefix /${pkgconfig_folder} /)
string(REGEX REPLACE "/$" "" up_to_prefix "${up_to_prefix}")
configure_file(cmake/convoy.pc.in ${CMAKE_BINARY_DIR}/convoy.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/convoy.pc DESTINATION ${pkgconfig_folder})

# ---- packages: cpack -G DEB (configure with -DCMAKE_INSTALL_PREFIX=/usr) ----
set(CPACK_PACKAGE_NAME convoy)
set(CPACK_PACKAGE_VENDOR Convoy)
set(CPACK_PACKAGE_CONTACT "Convoy developers <convoy@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "laboratory for convolutional networks")
set(CPACK_PACKAGE_DESCRIPTION
    "One YAML file describes an experiment. Convoy trains the network on the CPU, runs\nhyperparameter sweeps, keeps every run in one SQLite database and draws the charts.\nLayers, losses, optimizers, datasets and augmentations are plugins with one C file each.")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "gnuplot-nox | gnuplot")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}) # libconvoy.so is in the package itself
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/package.cmake)
include(CPack)
