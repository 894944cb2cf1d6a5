import type { ErrorData } from '../../domain/errors.ts';
import type { OriginCode, ProblemWriter } from './contract.ts';
import { text as t } from './format.ts';
import { because, when } from './zh-words.ts';

/** Chinese: sources, releases and artifacts. */

const of = (data: ErrorData) => (data.app ? ` ${t(data.app)} 的` : '');

export const originProblems: Record<OriginCode, ProblemWriter> = {
  source_unreachable: (d, now) => ({
    text: `来源 ${t(d.source)} 没有响应${because(d)}。`,
    next: d.nextAt ? `${when(d.nextAt, now)}会再试。` : '请稍后再试。',
  }),
  source_invalid: (d) => ({
    text: `来源 ${t(d.source)} 有响应，但内容不是版本信息${because(d)}。`,
    next: '请检查配置中的地址（`source`）；没有做任何改动。',
  }),
  source_expired: (d) => ({
    text: `来源 ${t(d.source)} 的内容已过期${d.expiredAt ? `（${when(d.expiredAt, undefined)}）` : ''}。`,
    next: '请由发布者用 fettle publish 重新发布任一已有版本来续期。/update now 仍可使用，但不会自动更新。',
  }),
  source_rolled_back: (d) => ({
    text: `来源 ${t(d.source)} 提供的内容比以前旧${because(d)}，可能是攻击。`,
    next: '在它恢复到足够新之前，不会从中安装任何东西。',
  }),
  artifact_unverified: (d) => ({
    text: `无法证明下载的${of(d)}文件是真实的${because(d)}。`,
    next: '没有安装任何东西。若原因在意料之中：请签名后重新发布，或修改设备文件中的 `keys`（git：`refs`、`signedBy`）。',
  }),
  artifact_mismatch: (d) => ({
    text: `下载的${of(d)}文件与来源所承诺的不符（摘要不同）${because(d)}。`,
    next: '没有安装任何东西。请重试；若仍如此，请不要信任该镜像或版本。',
  }),
  artifact_wrong_platform: (d) => ({
    text: d.reason
      ? `下载的${of(d)}文件无法在此设备上运行${because(d)}。`
      : `该版本没有适合此设备平台的文件${d.here ? `（${t(d.here)}；它有 ${t(d.for) || '无'}）` : ''}。`,
    next: '请为该平台发布文件。',
  }),
  artifact_invalid: (d) => ({ text: `下载的${of(d)}文件不可用${because(d)}。`, next: '需要重新制作该版本。' }),
  download_failed: (d) => ({
    text: `${of(d).trimStart()}下载失败${d.status ? `：HTTP ${t(d.status)}` : ''}${because(d)}。`,
    next: '请重试；已下载的部分会保留。',
  }),
  install_failed: (d) => ({
    text: `${d.app ? `${t(d.app)} ` : ''}${d.version ? `${t(d.version)} ` : ''}安装失败${because(d)}。`,
    next: '/update logs 显示安装程序的输出。',
  }),
  key_unusable: (d) => ({
    text: `密钥${d.file ? ` ${t(d.file)} ` : ''}无法使用${because(d)}。`,
    next: t(d.advice) || '`fettle keygen` 和 `minisign -G` 可以生成密钥，见 docs/signing.md。',
  }),
};
