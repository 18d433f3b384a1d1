"""Write the powers of ten that double_digits.c multiplies by: ceil(10**k / 2**(floor(log2(10**k)) - 127)),
128 bits each, for k from -292 to 324.

Usage: make_powers_of_ten.py OUTPUT
"""

import sys
from fractions import Fraction

LEAST, GREATEST = -292, 324


def scaled(k):
    power = Fraction(10) ** k
    log2 = power.numerator.bit_length() - power.denominator.bit_length()
    if Fraction(2) ** log2 > power:
        log2 -= 1
    exact = power / Fraction(2) ** (log2 - 127)
    value = -(-exact.numerator // exact.denominator)
    assert 1 << 127 <= value < 1 << 128
    return value


def main():
    with open(sys.argv[1], "w") as out:
        out.write("/* Made by make_powers_of_ten.py: {high, low} halves. */\n")
        for k in range(LEAST, GREATEST + 1):
            value = scaled(k)
            out.write(f"{{0x{value >> 64:016x}, 0x{value & (1 << 64) - 1:016x}}}, /* {k} */\n")


if __name__ == "__main__":
    main()
