"""What the prediction of steps on many devices is made of."""

from benchmarks.scaling._traffic import Collective, counted

PROGRAM = """
HloModule some
%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}
%inner (p: (f32[4])) -> (f32[4]) {
  %all = (f32[4]{0}, bf16[2,3]{1,0}, pred[]) all-reduce(%x, %y, %z), to_apply=%add
}
%test (p: (f32[4])) -> pred[] {
  %p = pred[] constant(true)
}
%outer (p: (f32[4])) -> (f32[4]) {
  %deep = (f32[4]) while(%p), condition=%test, body=%inner
  %own.1 = u32[8,2]{1,0} collective-permute(%p), source_target_pairs={{0,1}}
}
ENTRY %main (p: f32[4]) -> f32[4] {
  %loop = (f32[4]) while(%p), condition=%test, body=%outer
  %once = f32[16]{0} all-gather(%p), dimensions={0}
  %also = f32[2]{0} fusion(%p), kind=kLoop, calls=%called
  %named = f32[2]{0} add(%all-gather, %once), metadata={op_name="all-reduce("}
}
"""


def test_collectives_are_counted_by_the_loops_around_them():
    assert counted(PROGRAM) == {
        2: [Collective("all-reduce", 4 * 4 + 2 * 6 + 1)],
        1: [Collective("collective-permute", 4 * 16)],
        0: [Collective("all-gather", 4 * 16)],
    }
