#include "rewrite/instruction.h"

#include <Zydis/Zydis.h>

namespace sandstone::rewrite {
namespace {

const ZydisDecoder& decoder() {
  static const ZydisDecoder the = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return the;
}

Flow flow_of(const ZydisDecodedInstruction& instruction) {
  const bool relative = (instruction.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0;
  switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
      return relative ? Flow::jump : Flow::stop;
    case ZYDIS_MNEMONIC_RET:
      return instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? Flow::other : Flow::ret;
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_HLT:
      return Flow::stop;
    case ZYDIS_MNEMONIC_SYSCALL:
      return Flow::syscall;
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
    case ZYDIS_MNEMONIC_XBEGIN:
      return Flow::near_only;
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_XABORT:
      return Flow::other;
    default:
      break;
  }
  switch (instruction.meta.category) {
    case ZYDIS_CATEGORY_CALL:
      return Flow::call;
    case ZYDIS_CATEGORY_COND_BR:
      return relative ? Flow::condition : Flow::other;
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_UNCOND_BR:
      return Flow::other;
    default:
      return (instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0 ? Flow::other : Flow::next;
  }
}

bool is_nop(const ZydisDecodedInstruction& instruction) {
  return instruction.mnemonic == ZYDIS_MNEMONIC_NOP;
}

bool is_odd(const ZydisDecodedInstruction& instruction) {
  switch (instruction.meta.category) {
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
      return true;
    case ZYDIS_CATEGORY_INTERRUPT:
      // Go has the two-byte form of int3 after calls that do not return.
      return instruction.mnemonic != ZYDIS_MNEMONIC_INT3 &&
             !(instruction.mnemonic == ZYDIS_MNEMONIC_INT && instruction.raw.imm[0].value.u == 3);
    default:
      break;
  }
  if (instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return true;
  // hlt is how C libraries end a program that nothing else could end.
  if ((instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0)
    return instruction.mnemonic != ZYDIS_MNEMONIC_HLT;
  // `add %al,(%rax)` is what zeros decode to.
  return instruction.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction.opcode == 0 &&
         (instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && instruction.raw.modrm.mod == 0 &&
         instruction.raw.modrm.reg == 0 && instruction.raw.modrm.rm == 0;
}

}  // namespace

Instruction decode(std::span<const std::byte> bytes) {
  ZydisDecodedInstruction raw;
  if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder(), nullptr, bytes.data(), bytes.size(), &raw)))
    return {};
  Instruction instruction{.length = raw.length, .flow = flow_of(raw)};
  instruction.padding = is_nop(raw) || raw.mnemonic == ZYDIS_MNEMONIC_INT3;
  instruction.odd = is_odd(raw);
  if ((raw.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0 && raw.raw.imm[0].is_relative) {
    instruction.relative = true;
    instruction.distance = static_cast<int32_t>(raw.raw.imm[0].value.s);
  }
  return instruction;
}

Details examine(std::span<const std::byte> bytes) {
  ZydisDecoderContext context;
  ZydisDecodedInstruction raw;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder(), &context, bytes.data(), bytes.size(), &raw)) ||
      ZYAN_FAILED(ZydisDecoderDecodeOperands(&decoder(), &context, &raw, operands, raw.operand_count)))
    return {};

  Details details{.movable = flow_of(raw) == Flow::next};
  for (const ZydisDecodedOperand& operand : std::span(operands, raw.operand_count)) {
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      // lea and nop name an address without going there.
      if (operand.mem.type != ZYDIS_MEMOP_TYPE_AGEN && !is_nop(raw)) details.memory = true;
      if (operand.mem.base == ZYDIS_REGISTER_RIP && raw.raw.disp.size == 32) {
        details.rip_offset = raw.raw.disp.offset;
        details.rip_distance = static_cast<int32_t>(raw.raw.disp.value);
      } else if (operand.mem.base == ZYDIS_REGISTER_RIP || operand.mem.base == ZYDIS_REGISTER_EIP) {
        details.movable = false;
      }
    }
    if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const ZydisRegister full =
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value);
    if (full == ZYDIS_REGISTER_RIP) details.movable = false;
    if (full == ZYDIS_REGISTER_RAX && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0)
      details.writes_rax = true;
  }
  if (details.writes_rax && raw.mnemonic == ZYDIS_MNEMONIC_MOV && operands[0].size >= 32 &&
      operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
    details.number = static_cast<uint32_t>(operands[1].imm.value.u);
  return details;
}

}  // namespace sandstone::rewrite
