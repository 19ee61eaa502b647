/* SHA-256 (FIPS 180-4) of two byte strings step by step together, with the SHA extensions of x86.
 *
 * Each round needs the result of the one before, and its instruction takes four cycles, in which the
 * processor can begin another: the rounds of the second string cost nothing. OpenSSL computes one
 * string at a time. The state of a string is two vectors, which the instructions take as ABEF and
 * CDGH. The digests must equal those of hashlib for every length. */

static const uint32_t sha_first[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#if defined(__x86_64__)
#include <cpuid.h>

#define FOR_SHA __attribute__((target("sha,sse4.1"), always_inline)) static inline
enum { SHA_BLOCK = 64, SHA_DIGEST = 32 };

/* Add `count` blocks of each of n strings to their states. */
FOR_SHA void sha_blocks(uint32_t (*state)[8], const uint8_t *const *data, int64_t count, const int n)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef[2], cdgh[2], abef_before[2], cdgh_before[2], words[2][4];
    for (int s = 0; s < n; s++) {
        __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state[s]), 0xb1);
        __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state[s] + 4)), 0x1b);
        abef[s] = _mm_alignr_epi8(abcd, efgh, 8);
        cdgh[s] = _mm_blend_epi16(efgh, abcd, 0xf0);
    }
    for (int64_t block = 0; block < count; block++) {
        for (int s = 0; s < n; s++) {
            const uint8_t *start = data[s] + block * SHA_BLOCK;
            for (int i = 0; i < 4; i++)
                words[s][i] = _mm_shuffle_epi8(
                    _mm_loadu_si128((const __m128i *)(start + 16 * i)), big_endian);
            abef_before[s] = abef[s];
            cdgh_before[s] = cdgh[s];
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* four rounds of each string */
            const __m128i constants = _mm_loadu_si128((const __m128i *)(sha_constants + 4 * i));
#pragma GCC unroll 2
            for (int s = 0; s < n; s++) {
                __m128i *w = words[s], sum = _mm_add_epi32(w[i % 4], constants);
                cdgh[s] = _mm_sha256rnds2_epu32(cdgh[s], abef[s], sum);
                abef[s] = _mm_sha256rnds2_epu32(abef[s], cdgh[s], _mm_shuffle_epi32(sum, 0x0e));
                if (i < 12) { /* the words of four rounds that come sixteen rounds later */
                    __m128i next = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
                    next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
                    w[i % 4] = _mm_sha256msg2_epu32(next, w[(i + 3) % 4]);
                }
            }
        }
        for (int s = 0; s < n; s++) {
            abef[s] = _mm_add_epi32(abef[s], abef_before[s]);
            cdgh[s] = _mm_add_epi32(cdgh[s], cdgh_before[s]);
        }
    }
    for (int s = 0; s < n; s++) {
        __m128i feba = _mm_shuffle_epi32(abef[s], 0x1b), dchg = _mm_shuffle_epi32(cdgh[s], 0xb1);
        _mm_storeu_si128((__m128i *)state[s], _mm_blend_epi16(feba, dchg, 0xf0));
        _mm_storeu_si128((__m128i *)(state[s] + 4), _mm_alignr_epi8(dchg, feba, 8));
    }
}

__attribute__((target("sha,sse4.1"))) static void sha_one(
    uint32_t (*state)[8], const uint8_t *const *data, int64_t count)
{
    sha_blocks(state, data, count, 1);
}

__attribute__((target("sha,sse4.1"))) static void sha_two(
    uint32_t (*state)[8], const uint8_t *const *data, int64_t count)
{
    sha_blocks(state, data, count, 2);
}

/* Add what follows the whole blocks of a string, with its padding and its length. */
static void sha_finish(uint32_t (*state)[8], const uint8_t *rest, int64_t length)
{
    uint8_t last[2 * SHA_BLOCK] = {0};
    const int64_t n_rest = length % SHA_BLOCK, count = n_rest < SHA_BLOCK - 8 ? 1 : 2;
    const uint64_t bits = (uint64_t)length * 8;
    if (n_rest)
        memcpy(last, rest, (size_t)n_rest);
    last[n_rest] = 0x80;
    for (int i = 0; i < 8; i++)
        last[count * SHA_BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    sha_one(state, (const uint8_t *const[]){last}, count);
}

/* Tell whether this processor has the instructions. A virtual machine takes 10 us for each CPUID,
 * so it is asked once; threads that ask at the same time get the same answer. */
static int has_sha(void)
{
    static int answer = -1;
    unsigned a, b = 0, c, d;
    if (answer < 0)
        answer = __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d)
              && (b >> 29 & 1);
    return answer;
}

/* Write the digests of two strings, 32 bytes each; return 0 if this processor cannot. */
int mingolotss_sha256(
    const uint8_t *first, int64_t first_length, const uint8_t *second, int64_t second_length,
    uint8_t *digests)
{
    const uint8_t *data[2] = {first, second};
    const int64_t lengths[2] = {first_length, second_length};
    const int64_t shared = (first_length < second_length ? first_length : second_length) / SHA_BLOCK;
    uint32_t state[2][8];
    if (!has_sha())
        return 0;
    memcpy(state[0], sha_first, sizeof sha_first);
    memcpy(state[1], sha_first, sizeof sha_first);
    sha_two(state, data, shared);
    for (int s = 0; s < 2; s++) {
        const int64_t blocks = lengths[s] / SHA_BLOCK;
        const uint8_t *further = data[s] + shared * SHA_BLOCK;
        sha_one(state + s, &further, blocks - shared);
        sha_finish(state + s, data[s] + blocks * SHA_BLOCK, lengths[s]);
        for (int i = 0; i < SHA_DIGEST; i++)
            digests[s * SHA_DIGEST + i] = (uint8_t)(state[s][i / 4] >> (24 - 8 * (i % 4)));
    }
    return 1;
}
#else /* elsewhere hashlib computes each */
int mingolotss_sha256(
    const uint8_t *first, int64_t first_length, const uint8_t *second, int64_t second_length,
    uint8_t *digests)
{
    (void)first, (void)first_length, (void)second, (void)second_length, (void)digests;
    return 0;
}
#endif
