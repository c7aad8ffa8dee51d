; A program whose section does not say what it is for.
r0 = 0
exit
