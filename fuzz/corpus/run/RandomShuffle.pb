
9
c003/in0Placeholder*
dtype0*
shape
:
D
c003/opRandomShufflec003/in0*

seed*
T0*
seed2"†