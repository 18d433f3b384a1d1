/*
 * fuzz_entity_key.c - any bytes as an EntityKey message, and as the values of join keys.
 *
 * The first byte chooses: 0 is a message, else so many bytes are names of one byte each and the
 * rest is the value of all. A key that is made fits the room that is said to be enough, is made the
 * same into that room, and one of a single join key is read back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "online/entity_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 1 << 12, NAMES_MAX = 70 };

static frz_bytes names[NAMES_MAX], values[NAMES_MAX];
static uint8_t room[4 + 16 * NAMES_MAX + 4 * NAMES_MAX * (SIZE_MAX_BYTES + 1)];

static frz_status make(const uint8_t *data, size_t size, size_t n, uint8_t *buffer, size_t capacity,
                       size_t *made)
{
  if (n == 0)
    return frz_online_key_from_message((frz_bytes){data, size}, buffer, capacity, made, NULL);
  return frz_online_key_from_values(names, values, n, buffer, capacity, made, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0 || size > SIZE_MAX_BYTES) return 0;
  size_t n = data[0], made = 0, again = 0, enough = 4 + 4 * (size - 1);
  data++;
  size--;
  if (n > NAMES_MAX || n > size) return 0;
  if (n != 0) enough = 4;
  for (size_t i = 0; i < n; i++) {
    names[i] = (frz_bytes){data + i, 1};
    values[i] = (frz_bytes){data + n, size - n};
    enough += 16 + 4 * (1 + size - n);
  }
  if (make(data, size, n, NULL, 0, &made) != FRZ_OK) return 0;
  if (made > enough || enough > sizeof room) abort();
  if (make(data, size, n, room, made, &again) != FRZ_OK || again != made) abort();
  uint32_t type;
  frz_bytes value, key = {room, made};
  if (made < 4 || (n == 1) != (room[0] == 1 && n != 0)) abort();
  if (room[0] == 1 && !frz_entity_key_single(key, &type, &value)) abort();
  return 0;
}
