
I
c002/in0Const*
dtype0*)
value B"!=òiv¿‚xŸ¶C}¿
*
c002/op	IdentityNc002/in0*

T
2"Ü