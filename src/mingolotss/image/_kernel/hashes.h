/* SHA-256 (FIPS 180-4) of many messages of one length, LANES of them at once: lane i of each vector
 * belongs to message i, so that all operations are those of one message. Included by lanes.h, once
 * for each width.
 *
 * A library hashes one message, and each of its 64 rounds waits for the one before it. An image of
 * 22,500 bytes takes 13 us with OpenSSL and the SHA instructions of the processor, 50 without them,
 * 8 here with AVX-512 and 15 with AVX2. */

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))

/* Update the states with one block of 64 bytes of each message. */
TARGET INLINE void LANED(hash_blocks)(words state[8], const uint8_t *const *blocks, int64_t offset)
{
    uint32_t columns[16][LANES];
    words schedule[16], s[8];
    for (int lane = 0; lane < LANES; lane++) {
        uint32_t block[16];
        memcpy(block, blocks[lane] + offset, sizeof block);
        for (int i = 0; i < 16; i++)
            columns[i][lane] = BIG_ENDIAN_WORD(block[i]);
    }
    memcpy(schedule, columns, sizeof schedule);
    memcpy(s, state, sizeof s);
#pragma GCC unroll 4
    for (int round = 0; round < 64; round += 16)
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (round) {
                const words a = schedule[(i + 1) % 16], b = schedule[(i + 14) % 16];
                schedule[i] += (ROTATE(a, 7) ^ ROTATE(a, 18) ^ a >> 3) + schedule[(i + 9) % 16]
                               + (ROTATE(b, 17) ^ ROTATE(b, 19) ^ b >> 10);
            }
            /* The eight variables a to h move by one in each round: a is s[-i], h is s[7 - i]. */
            words *a = s + (64 - i) % 8, *b = s + (65 - i) % 8, *c = s + (66 - i) % 8;
            words *d = s + (67 - i) % 8, *e = s + (68 - i) % 8, *f = s + (69 - i) % 8;
            words *g = s + (70 - i) % 8, *h = s + (71 - i) % 8;
            *h += (ROTATE(*e, 6) ^ ROTATE(*e, 11) ^ ROTATE(*e, 25)) + (*g ^ (*e & (*f ^ *g)))
                  + sha_constants[round + i] + schedule[i];
            *d += *h;
            *h += (ROTATE(*a, 2) ^ ROTATE(*a, 13) ^ ROTATE(*a, 22))
                  + ((*a & *b) | (*c & (*a | *b)));
        }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

/* Hash n messages of `size` bytes, one after the other in memory. The last vector is filled up with
 * the last message. */
TARGET static void LANED(hash_images)(int64_t n, int64_t size, const uint8_t *messages, uint8_t *digests)
{
    const int64_t rest = size % 64, whole = size - rest, padded = rest < 56 ? 64 : 128;
    for (int64_t first = 0; first < n; first += LANES) {
        const uint8_t *blocks[LANES], *tails[LANES];
        uint8_t tail[LANES][128] = {{0}};
        words state[8];
        for (int lane = 0; lane < LANES; lane++) {
            const int64_t message = first + lane < n ? first + lane : n - 1;
            blocks[lane] = messages + message * size;
            tails[lane] = tail[lane];
            memcpy(tail[lane], blocks[lane] + whole, (size_t)rest);
            tail[lane][rest] = 0x80;
            for (int i = 0; i < 8; i++)
                tail[lane][padded - 1 - i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
        }
        for (int i = 0; i < 8; i++)
            state[i] = (words){0} + sha_first[i];
        for (int64_t offset = 0; offset < whole; offset += 64)
            LANED(hash_blocks)(state, blocks, offset);
        for (int64_t offset = 0; offset < padded; offset += 64)
            LANED(hash_blocks)(state, tails, offset);
        for (int lane = 0; lane < LANES && first + lane < n; lane++)
            for (int i = 0; i < 8; i++) {
                const uint32_t word = BIG_ENDIAN_WORD(state[i][lane]);
                memcpy(digests + (first + lane) * 32 + 4 * i, &word, 4);
            }
    }
}

#undef ROTATE
