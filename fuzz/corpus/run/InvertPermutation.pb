
3
c003/in0Placeholder*
dtype0	*
shape:
/
c003/opInvertPermutationc003/in0*
T0	"†