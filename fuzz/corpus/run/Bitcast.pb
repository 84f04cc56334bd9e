
5
c003/in0Placeholder*
dtype0*
shape:
1
c003/opBitcastc003/in0*
T0*

type0"†