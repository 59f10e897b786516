# SPDX-License-Identifier: BSD-3-Clause
#
# LIBRARY with its calls of __tsan_… renamed to __kct_…, and RUNTIME, become the archive OUT.
execute_process(COMMAND ${NM} -u ${LIBRARY} OUTPUT_VARIABLE undefined
    COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "__tsan_[A-Za-z0-9_]+" names "${undefined}")
list(REMOVE_DUPLICATES names)
set(renames "")
foreach(name IN LISTS names)
    string(REPLACE "__tsan_" "__kct_" new ${name})
    string(APPEND renames "${name} ${new}\n")
endforeach()
file(WRITE ${OUT}.names "${renames}")
execute_process(COMMAND ${OBJCOPY} --redefine-syms=${OUT}.names ${LIBRARY} ${OUT}.renamed
    COMMAND_ERROR_IS_FATAL ANY)
file(WRITE ${OUT}.mri "CREATE ${OUT}\nADDLIB ${OUT}.renamed\nADDLIB ${RUNTIME}\nSAVE\nEND\n")
execute_process(COMMAND ${AR} -M INPUT_FILE ${OUT}.mri COMMAND_ERROR_IS_FATAL ANY)
