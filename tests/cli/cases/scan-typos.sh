make_table
fails frazil scan demo.t --columns id,nam
fails frazil scan demo.t --columns ''
fails frazil scan demo.t --columns id,
fails frazil scan demo.t --filter 'nam = 1'
fails frazil scan demo.t --filter 'id = = 1'
fails frazil scan demo.t --filter 'id = 1 and'
fails frazil scan demo.t --filter '(id = 1'
fails frazil scan demo.t --filter "name = 'open"
fails frazil scan demo.t --filter "id = 'abc'"
fails frazil scan demo.t --filter "day = '2024-02-30'"
fails frazil scan demo.t --filter ''
fails frazil scan demo.t --filter 'id ; 1'
