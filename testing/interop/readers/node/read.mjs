// Prints what @ethereumjs/e2store reads from era files: a line for every block and state with its
// slot, the number of its SSZ bytes and their SHA-256. Arguments: slots of an era, files.
//
// Its records, decompression and slot indices work for all presets. Its types are mainnet's: with
// mainnet's eras each block and state is also decoded by them and encoded again.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  EraTypes,
  getEraIndexes,
  parseEntry,
  readBeaconState,
  readBlocksFromEra,
  readEntry,
} from '@ethereumjs/e2store'
import * as ssz from 'micro-eth-signer/ssz'

const MAINNET_SLOTS = 8192

function print(what, slot, bytes) {
  const digest = createHash('sha256').update(bytes).digest('hex')
  console.log(`${what} ${slot} ${bytes.length} ${digest}`)
}

function check(holds, sentence) {
  if (!holds) throw new Error(sentence)
}

// The decompressed payload of the record that an index names.
async function payload(file, index, at, type) {
  const entry = readEntry(file.subarray(index.recordStart + index.slotOffsets[at]))
  check(Buffer.from(entry.type).equals(Buffer.from(type)), 'a record of another type')
  return (await parseEntry(entry)).data
}

async function read(path, slots) {
  const file = new Uint8Array(readFileSync(path))
  const { stateSlotIndex, blockSlotIndex } = getEraIndexes(file)
  const isMainnet = slots === MAINNET_SLOTS
  if (blockSlotIndex !== undefined) {
    check(blockSlotIndex.slotOffsets.length === slots, 'another number of slots')
    const typed = isMainnet ? readBlocksFromEra(file) : undefined
    for (const [at, offset] of blockSlotIndex.slotOffsets.entries()) {
      if (offset === 0) continue
      const slot = blockSlotIndex.startSlot + at
      const bytes = await payload(file, blockSlotIndex, at, EraTypes.CompressedSignedBeaconBlockType)
      print('block', slot, bytes)
      if (typed !== undefined) {
        const { value: block } = await typed.next()
        check(Number(block.message.slot) === slot, `slot ${slot}: the block is of another slot`)
        const again = ssz.Phase0SignedBeaconBlock.encode(block)
        check(Buffer.from(again).equals(Buffer.from(bytes)), `block ${slot} encodes differently`)
      }
    }
    check(typed === undefined || (await typed.next()).done, 'more blocks than the index has')
  }
  check(stateSlotIndex.slotOffsets.length === 1, 'more than one state')
  const bytes = await payload(file, stateSlotIndex, 0, EraTypes.CompressedBeaconState)
  print('state', stateSlotIndex.startSlot, bytes)
  if (isMainnet) {
    const again = ssz.Phase0BeaconState.encode(await readBeaconState(file))
    check(Buffer.from(again).equals(Buffer.from(bytes)), 'the state encodes differently')
  }
}

const [slots, ...paths] = process.argv.slice(2)
for (const path of paths) {
  await read(path, Number(slots)).catch((error) => {
    throw new Error(`${path}: ${error.message}`, { cause: error })
  })
}
