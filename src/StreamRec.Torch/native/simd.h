// What loops of our own share: several instruction sets from one source, an exponential that vectorises, dropout without a generator's state.
#pragma once

#include <bit>
#include <cstdint>

// The best clone is chosen when the library is loaded. Helpers have to be inlined to be compiled for the same instruction set.
#if defined(__x86_64__) && !defined(__clang__) && __GNUC__ >= 12
#define SR_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SR_VECTORISED
#endif
#define SR_INLINE static inline __attribute__((always_inline))

namespace sr
{
/// e^x for x in [-87, 88], limited to that range; relative error below 2e-7 (Cephes' polynomial).
SR_INLINE float exp_of(float x)
{
    x = x > -87.0f ? x : -87.0f;
    x = x < 88.0f ? x : 88.0f;
    constexpr float round = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer, which then lies in the low bits
    const float shifted = x * 1.44269504088896341f + round;
    const float n = shifted - round;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * (r * r) + r + 1.0f;
    return std::bit_cast<float>(std::bit_cast<int32_t>(y) + static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) << 23));
}

/// Zero with probability p, else 1 / (1 - p): the same for the same seed and index, in any order and on any number of threads.
struct Dropout
{
    uint32_t low, high, threshold;
    float scale;

    Dropout(double p, int64_t seed)
        : low(static_cast<uint32_t>(seed)), high(static_cast<uint32_t>(seed >> 32)),
          threshold(static_cast<uint32_t>(p * 4294967296.0)), scale(static_cast<float>(1 / (1 - p)))
    {
    }

    SR_INLINE uint32_t mix(uint32_t x)
    {
        x ^= x >> 16;
        x *= 0x7feb352du;
        x ^= x >> 15;
        x *= 0x846ca68bu;
        return x ^ (x >> 16);
    }

    __attribute__((always_inline)) float operator()(uint32_t index) const
    {
        return mix(mix(index + low) ^ high) < threshold ? 0.0f : scale;
    }
};
} // namespace sr
