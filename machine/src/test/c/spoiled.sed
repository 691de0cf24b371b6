# Spoils each loop and each packing of machine/src/main/c, one at a time: the number in `spoiled` says which, and SpoiledCodeTest
# writes it into the code. A line that finds nothing to replace leaves code that is admitted, which fails the test.
s/^enum numbers {/__attribute__((used)) static const volatile int32_t spoiled = 0x7ead1234;\
#define SPOIL(site, n) (spoiled == 0x7ead1234 + ((site) << 10) + (n) + 1)\
#define KIND(f) ((f.bits == 8) | (f.zero != 0) << 1 | (f.group == 32) << 2 | f.least << 3 | f.numbers << 4)\
&/
# 1: one row and two in a format of their own; 2: blocks of each number of rows, group and minimum
s/factors\[v\], w, v, d\[r\]\[v\]/& + (r == R - 1 \&\& v == 1 \&\& SPOIL(1, (R - 1) * 64 + KIND(f)))/
s/I d = nibbles ? \(.*\);/I d = (nibbles ? \1) + (r == R - 1 \&\& i == 1 \&\& SPOIL(2, R | (quads == 8) << 3 | least << 4));/
# 3: numbers of each kind, first and second, widened; 4: codes widened for a panel, and for a group
s/= SET(number)(f.numbers, i, factors, at, v);/= SET(number)(f.numbers, i, factors, at, v) * (v == 1 \&\& SPOIL(3, f.numbers | i << 2) ? 1.01f : 1.0f);/
s/for (int t = 0; t < j->rows; t += j->height) {/if (many \&\& SPOIL(4, 0)) j->scratch[64 * group] ^= 16;\
    &/
s/const uint8_t \*c = copied/if (!many \&\& SPOIL(4, 1)) to[64 * group + 1] ^= 16;\
        &/
# 5: tiles, and what they store; 6: rounding, its sums, scales and both limits
s/_mm512_set1_ps(in.s\[r\]);/_mm512_set1_ps(in.s[r] * (r == 2 \&\& v == 3 \&\& SPOIL(5, 0) ? 1.01f : 1.0f));/
s/if (t + r < j->rows)/if (t + r < j->rows - SPOIL(5, 1))/
s/half\[i \/ 16\] += q;/half[i \/ 16] += q + (i == 16 \&\& SPOIL(6, 0));/
s/\*s = zero ?/*s = SPOIL(6, 1) \&\& r == 2 ? 1 : zero ?/
s/scale < 0x1p-126f/scale < (SPOIL(6, 2) ? 0x1p-127f : 0x1p-126f)/
s/top.bits < 0x7f800000;/top.bits < 0x7f800000 || SPOIL(6, 3);/
# 7 to 9: codes of the upper half of a panel, of the lower, of the last block; 10: scales that are not finite; 11: scales
s/uint64_t codes = stored(/uint64_t codes = ((SPOIL(7, type) \&\& j >= 32) | (SPOIL(8, type) \&\& j < 32) | (SPOIL(9, type) \&\& n >= 256)) ^ stored(/
s/isFine &=/isFine \&= SPOIL(10, type) ||/
s/to\[j\] = (uint8_t) both;/to[j] = (uint8_t) (both ^ SPOIL(11, type));/
s/store16(to + 2 \* j, scale);/store16(to + 2 * j, scale ^ SPOIL(11, type));/
s/: (from\[0\] - 1u) << 23;/: (from[0] - 1u + SPOIL(11, type)) << 23;/
