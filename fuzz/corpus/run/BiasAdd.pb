
=
c001/in0Const*
dtype0*
valueB*:nê?
9
c001/in1Const*
dtype0*
valueB*sL•ø
/
c001/opBiasAddc001/in0c001/in1*
T0"Ü