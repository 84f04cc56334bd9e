ÊM
²”
9
Add
x"T
y"T
z"T"
Ttype:
2	
x
Assign
ref"T€

value"T

output_ref"T€"	
Ttype"
validate_shapebool("
use_lockingbool(˜
8
Const
output"dtype"
valuetensor"
dtypetype
.
Identity

input"T
output"T"	
Ttype
b
MergeV2Checkpoints
checkpoint_prefixes
destination_prefix"
delete_old_dirsbool(
<