
I
c001/in0Const*
dtype0*)
value B"5é/@√Í¿Å<zøÈ@ı_÷ø
:
c001/const_0Const*
dtype0	*
valueB	R
:
c001/const_1Const*
dtype0	*
valueB	R
:
c001/const_2Const*
dtype0	*
valueB	R
a
c001/opStridedSlicec001/in0c001/const_0c001/const_1c001/const_2*
Index0	*
T0"Ü