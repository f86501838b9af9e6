/* A pointer chase, sixteen dependent loads a turn. */
void *chase(void *place, long rounds)
{
    void **p = place;
    while (rounds-- > 0) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            p = (void **)*p;
    }
    return p;
}
