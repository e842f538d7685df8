import '../src/server.ts';
it('x',()=>{});
