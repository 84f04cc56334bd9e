
9
c039/in0Placeholder*
dtype0*
shape
:
9
c039/in1Placeholder*
dtype0*
shape
:
.
c039/opMatMulc039/in0c039/in1*
T0"†