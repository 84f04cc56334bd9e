
3
c027/in0Placeholder*
dtype0*
shape:
3
c027/in1Placeholder*
dtype0*
shape:
5
c027/opBatchMatMulV2c027/in0c027/in1*
T0"†