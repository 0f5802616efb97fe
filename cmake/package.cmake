# Run by cpack between installing and packing: what Debian wants of a package and an installation need not have.
file(GLOB_RECURSE manuals "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/convoy.1")
find_program(GZIP gzip)
if(manuals AND GZIP)
  execute_process(COMMAND ${GZIP} -9n ${manuals} COMMAND_ERROR_IS_FATAL ANY)
endif()
