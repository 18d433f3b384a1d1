/*
 * endian.h - loads and stores of little- and big-endian integers at any address.
 */
#ifndef FRZ_BASE_ENDIAN_H
#define FRZ_BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "frazil is written for little-endian machines"
#endif

static inline uint16_t frz_load_u16le(const void *p)
{
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint32_t frz_load_u32le(const void *p)
{
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint64_t frz_load_u64le(const void *p)
{
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint32_t frz_load_u32be(const void *p)
{
  return __builtin_bswap32(frz_load_u32le(p));
}

static inline void frz_store_u16le(void *p, uint16_t v)
{
  memcpy(p, &v, sizeof v);
}

static inline void frz_store_u32le(void *p, uint32_t v)
{
  memcpy(p, &v, sizeof v);
}

static inline void frz_store_u64le(void *p, uint64_t v)
{
  memcpy(p, &v, sizeof v);
}

static inline void frz_store_u32be(void *p, uint32_t v)
{
  frz_store_u32le(p, __builtin_bswap32(v));
}

static inline void frz_store_u64be(void *p, uint64_t v)
{
  frz_store_u64le(p, __builtin_bswap64(v));
}

#endif
