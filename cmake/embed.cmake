# cmake -DINPUT=file -DOUTPUT=file.c -DNAME=symbol -P embed.cmake: the file's bytes, NUL-terminated, as a C array.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REPLACE "0x0a," "0x0a,\n    " bytes "${bytes}")
get_filename_component(base "${INPUT}" NAME)
file(WRITE "${OUTPUT}" "/* ${base}, embedded by cmake/embed.cmake. */
extern const char ${NAME}[];
const char ${NAME}[] = {
    ${bytes}0x00};
")
