
3
c021/in0Placeholder*
dtype0*
shape:
3
c021/in1Placeholder*
dtype0*
shape:
3
c021/in2Placeholder*
dtype0*
shape:
D
c021/opSlicec021/in0c021/in1c021/in2*
Index0*
T0"†