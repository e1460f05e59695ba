# The name of a header within include/tandem: its path, in which tools/ has no part.
function(tandem_installed_name header result)
    string(REGEX REPLACE "^tools/" "" name ${header})
    string(REGEX REPLACE "^session/(tandem[.]h)$" "\\1" name ${name})
    set(${result} ${name} PARENT_SCOPE)
endfunction()
