
3
c003/in0Placeholder*
dtype0*
shape:
3
c003/opShapec003/in0*
out_type0*
T0"†